package api

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An example of the documentation: a command, and the JSON that it shows next, if any.
var (
	command = regexp.MustCompile(`(?m)^    curl -sN? (?:-d '([^']*)' )?'http://localhost:8080([^']*)'$`)
	shown   = regexp.MustCompile("(?s)^\n\n```json\n(.*?)\n```")
)

// Every example in docs/api.md works, answers with what is shown, and every path has one.
func TestDocumentation(t *testing.T) {
	b, err := os.ReadFile("../../../docs/api.md")
	require.NoError(t, err)
	doc := string(b)
	found := command.FindAllStringSubmatchIndex(doc, -1)
	require.Equal(t, strings.Count(doc, "    curl "), len(found), "a command that the test can't read")
	tried := map[string]bool{}
	for _, at := range found {
		w := full(t)
		method, body, url := http.MethodGet, "", doc[at[4]:at[5]]
		if at[2] >= 0 {
			method, body = http.MethodPost, doc[at[2]:at[3]]
		}
		t.Run(method+" "+url, func(t *testing.T) {
			if strings.HasSuffix(url, "/events") {
				method = http.MethodHead // the answer has no end: see TestEvents
			}
			r := w.do(method, url, body, formBody...)
			got := text(t, r)
			require.Equal(t, http.StatusOK, r.StatusCode, got)
			if m := shown.FindStringSubmatch(doc[at[1]:]); m != nil {
				requirePart(t, m[1], got)
			}
		})
		_, pattern := w.mux.Handler(mustRequest(t, method, url))
		_, path, _ := strings.Cut(pattern, " ")
		tried[path] = true
	}
	for _, rt := range full(t).used {
		require.True(t, tried[rt.path], "%s has no example", rt.path)
	}
}

func mustRequest(t *testing.T, method, url string) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	return r
}

// requirePart wants the members that are shown in what was answered, and lists that begin as shown.
func requirePart(t *testing.T, want, got string) {
	t.Helper()
	var w, g any
	require.NoError(t, json.Unmarshal([]byte(want), &w), want)
	require.NoError(t, json.Unmarshal([]byte(got), &g), got)
	comparePart(t, "", w, g)
}

func comparePart(t *testing.T, path string, want, got any) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		require.True(t, ok, path)
		for k, v := range w {
			comparePart(t, path+"."+k, v, g[k])
		}
	case []any:
		g, ok := got.([]any)
		require.True(t, ok, path)
		require.GreaterOrEqual(t, len(g), len(w), path)
		for i, v := range w {
			comparePart(t, path+"[]", v, g[i])
		}
	default:
		require.Equal(t, want, got, path)
	}
}
