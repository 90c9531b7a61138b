package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

const form = "application/x-www-form-urlencoded"

func (w *world) submit(domain string, header ...string) *http.Response {
	w.t.Helper()
	b, err := json.Marshal(map[string]string{"domain": domain})
	require.NoError(w.t, err)
	return w.do(http.MethodPost, base+"/submit", string(b), append([]string{"Content-Type", jsonType}, header...)...)
}

func TestSubmit(t *testing.T) {
	w := newWorld(t, Options{Look: visitor("one", "fail")})
	r := w.submit(" New.test. ")
	require.Equal(t, http.StatusOK, r.StatusCode)
	var a answer
	require.NoError(t, json.NewDecoder(r.Body).Decode(&a))
	require.Equal(t, "new.test report new.test opts in and reports its connections.", a.Domain+" "+a.Outcome+" "+a.Text)
	require.Len(t, a.Steps, 2)
	require.Equal(t, step{Step: "domain-info", Status: "ok", Asked: "one", Got: "an answer", MS: 84}, a.Steps[0])
	require.NotEmpty(t, a.Steps[1].Fix)

	stream := text(t, w.submit("new.test", "Accept", "text/event-stream"))
	require.Equal(t, 2, strings.Count(stream, "event: step\n"))
	require.Equal(t, 1, strings.Count(stream, "event: result\n"))
	require.Less(t, strings.LastIndex(stream, "event: step"), strings.Index(stream, "event: result"))

	old := w.do(http.MethodPost, "/submit", "domain=new.test", "Content-Type", form)
	require.Equal(t, "text/plain; charset=utf-8", old.Header.Get("Content-Type"))
	require.Equal(t, "new.test opts in and reports its connections.\n", text(t, old))
}

func TestMistakesInSubmissions(t *testing.T) {
	w := newWorld(t, Options{Look: visitor()})
	tests := map[string]struct {
		status int
		body   string
		header []string
	}{
		"not JSON":       {http.StatusBadRequest, "domain=a.test", []string{"Content-Type", jsonType}},
		"not a form":     {http.StatusBadRequest, "%zz", []string{"Content-Type", form}},
		"no domain":      {http.StatusBadRequest, "", []string{"Content-Type", form}},
		"not a name":     {http.StatusBadRequest, "domain=not a name", []string{"Content-Type", form}},
		"another type":   {http.StatusUnsupportedMediaType, "a.test", []string{"Content-Type", "text/plain"}},
		"no type":        {http.StatusUnsupportedMediaType, "a.test", nil},
		"too long":       {http.StatusRequestEntityTooLarge, strings.Repeat("a", maxBody+1), []string{"Content-Type", form}},
		"another origin": {http.StatusForbidden, "domain=a.test", []string{"Content-Type", form, "Sec-Fetch-Site", "cross-site"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			requireProblem(t, tc.status, w.do(http.MethodPost, base+"/submit", tc.body, tc.header...))
			old := w.do(http.MethodPost, "/submit", tc.body, tc.header...)
			require.Equal(t, tc.status, old.StatusCode)
			require.Equal(t, 1, strings.Count(text(t, old), "\n"), "a line of text")
		})
	}
	requireProblem(t, http.StatusServiceUnavailable, newWorld(t, Options{}).submit("a.test"))
}

// Whatever is not visited gets one answer, and nobody asks it anything.
func TestRefusal(t *testing.T) {
	out := xep.MustName("excluded.test")
	asked := 0
	w := newWorld(t, Options{
		Exclude: func(n xep.Name) bool { return n == out },
		Look: func(context.Context, string, func(pubsub.Step)) (crawl.Account, error) {
			asked++
			return crawl.Account{}, crawl.ErrExcluded
		},
		Limits: Limits{Submissions: -1},
	})
	want := text(t, w.submit("excluded.test"))
	for _, name := range []string{"192.0.2.1", "_xmpp.test"} {
		require.Equal(t, want, strings.ReplaceAll(text(t, w.submit(name)), name, "excluded.test"), name)
	}
	require.Zero(t, asked)
	require.Equal(t, want, strings.ReplaceAll(text(t, w.submit("error.test")), "error.test", "excluded.test"))
	require.Equal(t, 1, asked)
}

func TestSubmissionsOfOneAddress(t *testing.T) {
	w := newWorld(t, Options{Look: visitor(), Client: func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get("X-Test")) }})
	send := func(addr, domain string) *http.Response { return w.submit(domain, "X-Test", addr) }
	names := []string{"a.example", "b.example", "c.example", "d.example", "e.example"}
	for _, n := range names {
		require.Equal(t, http.StatusOK, send("2001:db8::1", n).StatusCode)
	}
	r := send("2001:db8::2", "f.example")
	require.Equal(t, "30", r.Header.Get("Retry-After"))
	requireProblem(t, http.StatusTooManyRequests, r)
	require.Equal(t, http.StatusOK, send("2001:db8:0:1::1", "f.example").StatusCode, "another network")
	require.Equal(t, http.StatusOK, send("192.0.2.1", "f.example").StatusCode)
	w.advance(30 * time.Second)
	require.Equal(t, http.StatusOK, send("2001:db8::2", "f.example").StatusCode)
	requireProblem(t, http.StatusTooManyRequests, send("2001:db8::1", "f.example"))
}

// A domain is visited once a minute, and a site not more often for all of its subdomains, whoever and how many ask.
func TestNobodyIsHammered(t *testing.T) {
	var asked []string
	w := newWorld(t, Options{
		Limits: Limits{Submissions: -1},
		Look: func(_ context.Context, name string, _ func(pubsub.Step)) (crawl.Account, error) {
			asked = append(asked, name)
			return crawl.Account{}, nil
		},
	})
	for range 20 {
		w.submit("one.example.org")
	}
	require.Equal(t, []string{"one.example.org"}, asked)
	w.advance(inquiryLife)
	w.submit("one.example.org")
	require.Len(t, asked, 2)
	for i := range 20 {
		w.submit(string(rune('a'+i)) + ".victim.example")
	}
	require.Len(t, asked, 2+siteBurst)
}

func TestVisitsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{
			Limits: Limits{Submissions: -1, Visiting: 2},
			Look: func(ctx context.Context, _ string, _ func(pubsub.Step)) (crawl.Account, error) {
				<-ctx.Done()
				return crawl.Account{}, ctx.Err()
			},
		})
		go w.submit("a.test")
		go w.submit("b.test")
		synctest.Wait()
		requireProblem(t, http.StatusServiceUnavailable, w.submit("c.test"))
		time.Sleep(time.Minute) // the time of a visit, which passes at once in the bubble
		synctest.Wait()
		answered := make(chan *http.Response)
		go func() { answered <- w.submit("a.test") }()
		synctest.Wait()
		w.Close()
		require.Contains(t, text(t, <-answered), `"unfinished"`)
	})
}

// Steps come when they happen, not at the end.
func TestLiveTrace(t *testing.T) {
	goOn := make(chan struct{})
	w := newWorld(t, Options{Look: func(_ context.Context, _ string, onStep func(pubsub.Step)) (crawl.Account, error) {
		onStep(pubsub.Step{Name: "first"})
		<-goOn
		onStep(pubsub.Step{Name: "second"})
		return crawl.Account{}, nil
	}})
	srv := httptest.NewServer(w)
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+base+"/submit", strings.NewReader("domain=a.test"))
	require.NoError(t, err)
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Content-Type", form)
	resp, err := srv.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		for lines.Scan() {
			if s := lines.Text(); strings.HasPrefix(s, "data: ") {
				return s
			}
		}
		return ""
	}
	require.Contains(t, next(), `"first"`)
	close(goOn)
	require.Contains(t, next(), `"second"`)
	require.Contains(t, next(), `"unreachable"`)
}

func FuzzSubmission(f *testing.F) {
	f.Add(jsonType, `{"domain":"a.test"}`)
	f.Add(form, "domain=a.test")
	f.Fuzz(func(t *testing.T, kind, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header["Content-Type"] = []string{kind}
		if _, err := submitted(r); err != nil {
			require.IsType(t, problem{}, err)
		}
	})
}
