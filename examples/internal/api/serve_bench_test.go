package api

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/quick"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

// realSize is a network in the shape of the real one.
func realSize() *graph.Graph {
	g := graph.New(graph.Options{})
	until := time.Now().Add(time.Hour)
	for _, m := range testserver.Network(485, 112).Domains {
		r := graph.Report{Domain: xep.MustName(m.Name), Until: until, Unnamed: m.Unnamed}
		for _, p := range m.Peers {
			r.Peers = append(r.Peers, graph.Peer{Name: xep.MustName(p.Name), Until: until})
		}
		g.Apply(r)
	}
	return g
}

// BenchmarkServe measures how many times a second the snapshot of a network of the real size is served, whole and as "not modified",
// by this package behind a quick.Listener, by nginx from a file with the same bytes, and by this package behind net/http alone,
// one after the other under the same load.
//
// It needs wrk, and nginx with its gzip_static module. One iteration is one second of load.
func BenchmarkServe(b *testing.B) {
	for _, tool := range []string{"wrk", "nginx"} {
		if _, err := exec.LookPath(tool); err != nil {
			b.Skip("needs " + tool)
		}
	}
	s := New(edition.New(realSize(), edition.Options{}), Options{})
	b.Cleanup(s.Close)
	ours := httptest.NewUnstartedServer(s)
	ours.Config.ReadHeaderTimeout, ours.Config.ReadTimeout, ours.Config.WriteTimeout = 5*time.Second, 10*time.Second, 30*time.Second
	ours.Listener = quick.Listen(ours.Listener, s.Quick)
	ours.Start()
	b.Cleanup(ours.Close)
	plain := httptest.NewServer(s)
	b.Cleanup(plain.Close)
	theirs, nginx := startNginx(b, ours.URL+base+"/graph")

	for _, coding := range []string{"identity", "gzip"} {
		for _, kind := range []string{"200", "304"} {
			for _, who := range []struct {
				name, url string
				pid       int
			}{{"xmppgraph", ours.URL + base + "/graph", os.Getpid()}, {"nginx", theirs, nginx}, {"net-http", plain.URL + base + "/graph", os.Getpid()}} {
				b.Run(kind+"/"+coding+"/"+who.name, func(b *testing.B) {
					header := []string{"-H", "Accept-Encoding: " + coding}
					if kind == "304" {
						header = append(header, "-H", "If-None-Match: "+tagOf(b, who.url, coding))
					}
					load(b, who.url, who.pid, header)
				})
			}
		}
	}
}

func fetch(tb testing.TB, url, coding string) (*http.Response, string) {
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url, nil)
	require.NoError(tb, err)
	req.Header.Set("Accept-Encoding", coding)
	defer http.DefaultClient.CloseIdleConnections()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(tb, err)
	defer resp.Body.Close()
	var body strings.Builder
	require.NoError(tb, resp.Write(&body))
	_, text, _ := strings.Cut(body.String(), "\r\n\r\n")
	return resp, text
}

func tagOf(tb testing.TB, url, coding string) string {
	resp, _ := fetch(tb, url, coding)
	return resp.Header.Get("ETag")
}

var (
	rate     = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	answered = regexp.MustCompile(`([0-9]+) requests in `)
)

// cpu returns the processor time of a process and its children, in steps of 10 ms.
func cpu(b *testing.B, pid int) (t time.Duration) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	for _, ticks := range f[11:13] {
		n, err := strconv.Atoi(ticks)
		require.NoError(b, err)
		t += time.Duration(n) * 10 * time.Millisecond
	}
	if pid == os.Getpid() {
		return t
	}
	children, _ := os.ReadFile(dir + "/task/" + strconv.Itoa(pid) + "/children")
	for _, c := range strings.Fields(string(children)) {
		n, err := strconv.Atoi(c)
		require.NoError(b, err)
		t += cpu(b, n)
	}
	return t
}

// load has wrk ask for an URL, and reports how often a second that was answered and what each answer cost the server.
func load(b *testing.B, url string, pid int, header []string) {
	args := append([]string{"-t", "1", "-c", "64", "-d", strconv.Itoa(max(b.N, 1)) + "s"}, header...)
	before := cpu(b, pid)
	out, err := exec.CommandContext(b.Context(), "wrk", append(args, url)...).CombinedOutput()
	spent := cpu(b, pid) - before
	require.NoError(b, err, string(out))
	require.NotContains(b, string(out), "Non-2xx or 3xx")
	found := rate.FindSubmatch(out)
	require.NotNil(b, found, string(out))
	n, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(b, err)
	b.ReportMetric(n, "requests/s")
	total, err := strconv.ParseFloat(string(answered.FindSubmatch(out)[1]), 64)
	require.NoError(b, err)
	b.ReportMetric(spent.Seconds()*1e6/total, "cpu-µs/request")
	b.ReportMetric(0, "ns/op")
}

const nginxConf = `daemon off; pid %[1]s/pid; error_log stderr crit; worker_processes 2;
events { worker_connections 1024; }
http {
	access_log off; sendfile on; tcp_nopush on; gzip_static on; default_type application/json; keepalive_requests 100000000;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	server { listen 127.0.0.1:%[2]s; root %[1]s/www; }
}
`

// startNginx has nginx serve what an URL serves, compressed and not, and returns the URL of that and the process.
func startNginx(b *testing.B, url string) (string, int) {
	dir := b.TempDir()
	require.NoError(b, os.Chmod(dir, 0o755))
	www := filepath.Join(dir, "www")
	require.NoError(b, os.Mkdir(www, 0o755))
	for coding, name := range map[string]string{"identity": "graph", "gzip": "graph.gz"} {
		_, body := fetch(b, url, coding)
		require.NoError(b, os.WriteFile(filepath.Join(www, name), []byte(body), 0o644))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(b, err)
	require.NoError(b, l.Close())
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(nginxConf, dir, port)
	if os.Geteuid() == 0 {
		// Its workers would otherwise be somebody who may not enter the directory.
		text = "user root; " + text
	}
	require.NoError(b, os.WriteFile(conf, []byte(text), 0o600))
	cmd := exec.Command("nginx", "-e", "stderr", "-p", dir, "-c", conf)
	cmd.Stderr = os.Stderr
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	require.Eventually(b, func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
	return "http://127.0.0.1:" + port + "/graph", cmd.Process.Pid
}
