package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// patience bounds the wait for what should happen within a second, on a machine that is busy.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(leak.Checked{Runner: m}, map[string]func(){"reporter": main})
}

type serverKey struct{}

// Each script has a server of its own, of the brand that its name begins with.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			profile := testserver.StockProsody
			if strings.HasPrefix(filepath.Base(e.WorkDir), "script-ejabberd") {
				profile = testserver.StockEjabberd
			}
			srv := testserver.New(testserver.Config{Seed: 1, Home: testserver.Domain{Name: testserver.HomeName, Profile: profile}})
			e.Defer(func() { _ = srv.Close() })
			e.Values[serverKey{}] = srv
			e.Setenv("COMPONENT_PORT", srv.ComponentAddr())
			e.Setenv("CLIENT_PORT", srv.ClientAddr())
			web := &website{}
			site := httptest.NewServer(web)
			e.Defer(site.Close)
			e.Values[webKey{}] = web
			e.Setenv("WEB", site.URL+"/list.json")
			metrics, err := freeAddr()
			if err != nil {
				return err
			}
			e.Setenv("METRICS", metrics)
			return writeFiles(e.WorkDir, srv)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"domain": cmdDomain, "connected": cmdConnected, "item": cmdItem, "metrics": cmdMetrics, "web": cmdWeb,
		},
	})
}

func writeFiles(dir string, srv *testserver.Server) error {
	files := map[string][]byte{"secret": []byte(testserver.Secret + "\n"), "password": []byte(testserver.Password)}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return err
		}
	}
	// The server's authority, as its operator would hand it out.
	return os.WriteFile(filepath.Join(dir, "ca.pem"), srv.CertPEM(), 0o600)
}

func server(ts *testscript.TestScript) *testserver.Server {
	return ts.Value(serverKey{}).(*testserver.Server)
}

// cmdDomain is "[!] domain NAME": a domain that advertises, or doesn't.
func cmdDomain(ts *testscript.TestScript, neg bool, args []string) {
	if h := server(ts).Domain(args[0]); h != nil {
		h.SetAdvertise(!neg)
		return
	}
	server(ts).AddDomain(testserver.Domain{Name: args[0], Advertise: !neg})
}

// cmdConnected is "connected NAME…": the server's live connections, "?" before a name that is only claimed.
func cmdConnected(ts *testscript.TestScript, _ bool, args []string) {
	var all []testserver.Connection
	for _, a := range args {
		name, pending := strings.CutPrefix(a, "?")
		all = append(all, testserver.Connection{Remote: name, Outgoing: true, Pending: pending})
	}
	server(ts).Domain(testserver.HomeName).SetConnections(all...)
}

// cmdItem is "item [-node NODE] FILE TEXT" or "! item": it waits until the item holds the text and writes it to a file, or
// until there is none.
func cmdItem(ts *testscript.TestScript, neg bool, args []string) {
	node := xep.DefaultNode
	if len(args) > 1 && args[0] == "-node" {
		node, args = args[1], args[2:]
	}
	deadline := time.Now().Add(patience)
	var item string
	for time.Now().Before(deadline) {
		item = server(ts).Domain(testserver.HomeName).Items(node)[xep.ItemCurrent]
		if neg && item == "" {
			return
		}
		if !neg && item != "" && strings.Contains(item, args[1]) {
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(item), 0o600))
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("the item is %q", item)
}

// freeAddr is an address on which nobody listens now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// cmdMetrics is "[!] metrics LINE": the metrics page comes to hold it, or doesn't.
// What others see of the program is there before the program has counted it.
func cmdMetrics(ts *testscript.TestScript, neg bool, args []string) {
	page := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		page = metricsPage(ts)
		if strings.Contains(page, args[0]) != neg {
			return
		}
		if neg {
			break
		}
	}
	ts.Fatalf("the page is\n%s", page)
}

func metricsPage(ts *testscript.TestScript) string {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + ts.Getenv("METRICS") + "/metrics")
	ts.Check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return string(b)
}

type webKey struct{}

// website serves one file, or is out of order.
type website struct{ content atomic.Pointer[[]byte] }

// ServeHTTP implements http.Handler.
func (s *website) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	b := s.content.Load()
	if b == nil {
		http.Error(w, "out of order", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write(*b)
}

// cmdWeb is "web FILE" or "! web": the file is on the web, or nothing is.
func cmdWeb(ts *testscript.TestScript, neg bool, args []string) {
	site := ts.Value(webKey{}).(*website)
	if neg {
		site.content.Store(nil)
		return
	}
	b := []byte(ts.ReadFile(args[0]))
	site.content.Store(&b)
}

func TestReadLines(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     []report.Connection
		err      string
	}{
		{"none", "\n\n", nil, ""},
		{"two", `{"remote":"a.test"}` + "\n" + `{"local":"me.test","remote":"b.test","direction":"bidi","port":1}`, []report.Connection{
			{Remote: "a.test"}, {Local: "me.test", Remote: "b.test", Direction: xep.Bidi},
		}, ""},
		{"no name", "\n{}", nil, "line 2: no remote domain"},
		{"garbage", "x", nil, "line 1"},
		{"direction", `{"remote":"a","direction":"both"}`, nil, `direction "both"`},
		{"long", `{"remote":"` + strings.Repeat("x", maxLine), nil, "too long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readLines(strings.NewReader(tc.in))
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func FuzzReadLines(f *testing.F) {
	f.Add(`{"remote":"a.test","direction":"bidi"}`)
	f.Fuzz(func(t *testing.T, in string) {
		cs, err := readLines(strings.NewReader(in))
		if err != nil {
			require.Nil(t, cs)
		}
		for _, c := range cs {
			require.NotEmpty(t, c.Remote)
		}
	})
}

func TestReadCommand(t *testing.T) {
	cs, err := readCommand(context.Background(), `echo {"remote":"a.test"}`)
	require.NoError(t, err)
	require.Equal(t, []report.Connection{{Remote: "a.test"}}, cs)
	_, err = readCommand(context.Background(), "false")
	require.Error(t, err)
}
