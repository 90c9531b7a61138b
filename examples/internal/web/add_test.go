package web

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func post(t *testing.T, h http.Handler, path, contentType, content string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(content))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

const formType = "application/x-www-form-urlencoded"

// submit answers like the interface for programs, and keeps what it was asked.
type submit struct {
	asked  *http.Request
	body   string
	status int
	answer string
}

func (s *submit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked = r
	b, _ := io.ReadAll(r.Body)
	s.body = string(b)
	if s.status != http.StatusOK {
		w.Header().Set("Retry-After", "30")
	}
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.answer)
}

func TestAdd(t *testing.T) {
	now := noon
	s := &submit{status: http.StatusOK, answer: `{"domain":"a.test","outcome":"report","named":true,"text":"It opts in.","steps":[
		{"step":"domain-info","status":"ok","asked":"disco#info of a.test","got":"Prosody \u202e<b>","ms":84},
		{"step":"fetch","status":"failed","asked":"the item","got":"nothing","fix":"Look here.\nProsody: change that."},
		{"step":"bind","status":"skipped","asked":"the payload"}]}`}
	h := New(press(&now), Options{Programs: s})
	r := post(t, h, "/add", formType, url.Values{"domain": {" a.test "}}.Encode())
	require.Equal(t, http.StatusOK, r.StatusCode)
	page := body(t, r)
	require.Equal(t, submitPath, s.asked.URL.Path)
	require.Equal(t, "application/json", s.asked.Header.Get("Accept"))
	require.Equal(t, "192.0.2.1:1234", s.asked.RemoteAddr, "limits are for the visitor")
	var sent map[string]string
	require.NoError(t, json.Unmarshal([]byte(s.body), &sent))
	require.Equal(t, map[string]string{"domain": " a.test "}, sent)
	for _, want := range []string{"It opts in.", `href="/domains/a.test"`, "Prosody \uFFFD&lt;b&gt;", "in order, 84 ms", "<li>Prosody: change that.</li>", "skipped"} {
		require.Contains(t, page, want)
	}
}

func TestAddRefused(t *testing.T) {
	now := noon
	tests := map[string]struct {
		status int
		answer string
		want   string
		code   int
	}{
		"too often":    {http.StatusTooManyRequests, `{"title":"Too Many Requests"}`, "asked often", http.StatusTooManyRequests},
		"a reason":     {http.StatusBadRequest, `{"title":"Bad Request","detail":"<b> is not a domain name"}`, "&lt;b&gt; is not a domain name", http.StatusBadRequest},
		"a title":      {http.StatusServiceUnavailable, `{"title":"Service Unavailable"}`, "Service Unavailable", http.StatusServiceUnavailable},
		"no problem":   {http.StatusBadGateway, `<html>`, "could not be made", http.StatusBadGateway},
		"not readable": {http.StatusOK, `{`, "could not be made", http.StatusInternalServerError},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := New(press(&now), Options{Programs: &submit{status: tc.status, answer: tc.answer}})
			r := post(t, h, "/add", formType, "domain=x.test")
			require.Equal(t, tc.code, r.StatusCode)
			require.Contains(t, body(t, r), tc.want)
		})
	}
}

func TestAddWithoutCrawler(t *testing.T) {
	now := noon
	h := New(press(&now), Options{})
	require.NotContains(t, body(t, get(t, h, "/add")), `action="/add"`)
	require.Equal(t, http.StatusOK, post(t, h, "/add", formType, "domain=x.test").StatusCode)

	h = New(press(&now), Options{Programs: &submit{}})
	require.Contains(t, body(t, get(t, h, "/add?domain=x.test")), `value="x.test"`, "a link may bring the name along")
	require.Equal(t, http.StatusBadRequest, post(t, h, "/add", formType, strings.Repeat("x", maxForm+1)).StatusCode)
	require.Equal(t, http.StatusOK, post(t, h, "/add", formType, "domain=+").StatusCode, "nobody is asked about nothing")
}

// The page of a domain tells why it is named and how the last visit went, as far as that is known.
func TestLastVisit(t *testing.T) {
	now := noon
	s := &submit{status: http.StatusOK, answer: `{"verdict":{"named":true,"reason":"listed"},"trace":{"at":"2025-11-13T11:00:00Z","outcome":"silent","steps":[
		{"step":"opt-in","status":"failed","asked":"the feature"},{"step":"fetch","status":"failed","asked":"the item","got":"\u202e<b>","fix":"Look here."}]}}`}
	h := New(press(&now), Options{Programs: s})
	page := body(t, get(t, h, "/domains/a.test"))
	require.Equal(t, "/api/v1/domains/a.test", s.asked.URL.Path)
	require.Equal(t, http.MethodGet, s.asked.Method)
	for _, want := range []string{"Last visit", "2025-11-13 11:00", "Look here.", "\uFFFD&lt;b&gt;", "on a list of public providers"} {
		require.Contains(t, page, want)
	}
	s.answer = `{"verdict":{"reason":"listed"},"trace":{"at":"2025-11-13T11:00:00Z","outcome":"unreachable","steps":[{"step":"domain-info","status":"failed","asked":"it"}]}}`
	require.Contains(t, body(t, get(t, h, "/domains/a.test")), "advertises the feature", "the opt-in is from before a visit that came to nothing")
	s.answer = `{"verdict":{"reason":"<b>"}}`
	page = body(t, get(t, h, "/domains/a.test"))
	require.NotContains(t, page, "Last visit")
	require.Contains(t, page, "advertises the feature")
	s.status = http.StatusInternalServerError
	require.Contains(t, body(t, get(t, h, "/domains/a.test")), "advertises the feature")
}
