package report

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

// adminHeader is what Prosody 0.12.3 answers to the header of a stream.
const adminHeader = "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='xmpp:prosody.im/admin' id='' xml:lang='en'>"

// adminSocket is a socket that answers whoever connects with the same bytes, one after the other, and keeps what it was asked.
func adminSocket(t *testing.T, answer string) (path string, asked <-chan string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	questions := make(chan string, 8)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			answerOne(c, answer, questions)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return path, questions
}

func answerOne(c net.Conn, answer string, questions chan<- string) {
	defer c.Close()
	var q strings.Builder
	buf := make([]byte, 512)
	for !strings.Contains(q.String(), "</repl-input>") {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		q.Write(buf[:n])
	}
	questions <- q.String()
	// Not all at once, as from a real socket.
	for len(answer) > 0 {
		n := min(700, len(answer))
		if _, err := io.WriteString(c, answer[:n]); err != nil {
			return
		}
		answer = answer[n:]
	}
	// Whoever asked hangs up when it has what it wants, or gives up.
	_, _ = c.Read(buf)
}

func result(json string) string {
	return adminHeader + "<repl-output>noise</repl-output><repl-result>" + string(xmlscan.AppendEscaped(nil, "Result: "+json)) + "</repl-result>"
}

func TestProsodySocket(t *testing.T) {
	long := `[` + strings.TrimSuffix(strings.Repeat(`{"local_":"a.test","remote":"b.test","type":"s2sin","direction":"incoming"},`, 5000), ",") + `]`
	for _, tc := range []struct {
		name, answer string
		want         []Connection
		err          string
	}{
		{"streams", result(`[{"local_":"a.test","remote":"b.test","type":"s2sin","direction":"incoming"},` +
			`{"local_":"a.test","remote":"b.test","type":"s2sout","direction":"outgoing"},` +
			`{"local_":"a2.test","remote":"c.test","type":"s2sin","direction":"bidi"}]`), []Connection{
			{"a.test", "b.test", xep.Incoming}, {"a.test", "b.test", xep.Outgoing}, {"a2.test", "c.test", xep.Bidi},
		}, ""},
		{"unauthenticated", result(`[{"local_":"a.test","remote":"evil.test","type":"s2sin_unauthed","direction":"incoming"},` +
			`{"local_":"a.test","remote":"evil.test","type":"s2sout_unauthed","direction":"outgoing"},` +
			`{"local_":"a.test","remote":"evil.test","direction":"outgoing"}]`), []Connection{}, ""},
		{"incomplete", result(`[{"remote":"b.test","type":"s2sin","direction":"incoming"},{"local_":"a.test","type":"s2sin","direction":"incoming"},` +
			`{"local_":"a.test","remote":"b.test","type":"s2sin","direction":"both"}]`), []Connection{}, ""},
		{"no streams", result(`{}`), []Connection{}, ""},
		{"an object", result(`{"a":1}`), nil, "malformed"},
		{"no JSON", result(`nil`), nil, "malformed"},
		{"refused", adminHeader + "<repl-result type='error'>No module handled this query. Is mod_admin_shell enabled?</repl-result>", nil, "Is mod_admin_shell enabled?"},
		{"not Lua", adminHeader + "<repl-result>OK: 2</repl-result>", nil, `refuses: "OK: 2"`},
		{"not XML", "HTTP/1.1 400 Bad Request\r\n\r\n", nil, "malformed"},
		{"end of the stream", adminHeader + "</stream:stream>", nil, "unexpected EOF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, asked := adminSocket(t, tc.answer)
			got, err := ProsodySocket{path}.Connections(t.Context())
			q := <-asked
			require.Contains(t, q, "<repl-input>&gt; local t")
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
	t.Run("many", func(t *testing.T) {
		path, _ := adminSocket(t, result(long))
		got, err := ProsodySocket{path}.Connections(t.Context())
		require.NoError(t, err)
		require.Len(t, got, 5000)
	})
	t.Run("more than anybody has", func(t *testing.T) {
		path, _ := adminSocket(t, adminHeader+"<repl-result>"+strings.Repeat("x", maxAdminBytes)+"</repl-result>")
		_, err := ProsodySocket{path}.Connections(t.Context())
		require.ErrorIs(t, err, roundtrip.ErrMalformed)
	})
	t.Run("silence ends with the context", func(t *testing.T) {
		path, asked := adminSocket(t, adminHeader)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-asked
			cancel()
		}()
		_, err := ProsodySocket{path}.Connections(ctx)
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("no socket", func(t *testing.T) {
		_, err := ProsodySocket{filepath.Join(t.TempDir(), "none")}.Connections(t.Context())
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

func TestProsodySocketActiveUsers(t *testing.T) {
	for _, tc := range []struct {
		name, json string
		want       uint64
	}{
		{"counted", `{"a.test":42,"a2.test":7}`, 42},
		{"not loaded", `{}`, 0},
		{"not counted yet", `{"a.test":0}`, 0},
		{"another host", `{"a2.test":7}`, 0},
		{"nonsense", `{"a.test":-1}`, 0},
		{"too many", `{"a.test":1e300}`, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, _ := adminSocket(t, result(tc.json))
			n, err := ProsodySocket{path}.ActiveUsers(t.Context(), "a.test")
			if tc.want == 0 {
				require.ErrorIs(t, err, ErrNotCounted)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, tc.want, n)
		})
	}
}

func FuzzAdminSocketAnswer(f *testing.F) {
	f.Add([]byte(result(`[{"local_":"a.test","remote":"b.test","type":"s2sin","direction":"incoming"}]`)))
	f.Add([]byte(adminHeader + "<repl-result type='error'>x</repl-result>"))
	f.Add([]byte(adminHeader + "</stream:stream>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		framer := xmlscan.NewFramer(xmlscan.FrameLimits{Bytes: maxAdminBytes})
		json, done, err := feed(framer, b)
		if !done || err != nil {
			require.Nil(t, json)
			return
		}
		all, err := parseStreams(json)
		if err != nil {
			return
		}
		for _, c := range all {
			require.NotEmpty(t, c.Local)
			require.NotEmpty(t, c.Remote)
		}
	})
}
