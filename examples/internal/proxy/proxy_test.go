package proxy

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	trust, err := Parse("127.0.0.1", "::1", "10.1.2.3/8", "2001:db8::/32")
	require.NoError(t, err)
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.2": false, "::1": true, "10.200.0.1": true, "2001:db8:1::1": true, "2001:db9::1": false,
	} {
		require.Equal(t, want, trust.Has(netip.MustParseAddr(addr)), addr)
	}
	for name, s := range map[string]string{
		"a name": "proxy.example.org", "everybody": "0.0.0.0/0", "everybody's six": "::/0", "a zone": "fe80::1%eth0",
		"nothing": "", "a mixture": "::ffff:192.0.2.1", "too long": "192.0.2.1/33",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(s)
			require.Error(t, err)
		})
	}
}

func TestClient(t *testing.T) {
	trust, err := Parse("127.0.0.1", "::1", "10.0.0.0/8")
	require.NoError(t, err)
	const visitor = "192.0.2.7"
	for name, tc := range map[string]struct {
		peer           string
		xff, forwarded []string
		want           string
	}{
		"no proxy":                          {"192.0.2.1", nil, nil, "192.0.2.1"},
		"a stranger's word":                 {"192.0.2.1", []string{visitor}, nil, "192.0.2.1"},
		"one proxy":                         {"127.0.0.1", []string{visitor}, nil, visitor},
		"a proxy that says nothing":         {"127.0.0.1", nil, nil, "127.0.0.1"},
		"what the client wrote before":      {"127.0.0.1", []string{"198.51.100.1, " + visitor}, nil, visitor},
		"in a line of its own":              {"127.0.0.1", []string{"198.51.100.1", visitor}, nil, visitor},
		"two proxies":                       {"127.0.0.1", []string{"198.51.100.1, " + visitor + ", 10.0.0.1"}, nil, visitor},
		"only proxies":                      {"127.0.0.1", []string{"10.0.0.2, 10.0.0.1"}, nil, "10.0.0.2"},
		"with a port":                       {"127.0.0.1", []string{visitor + ":4711"}, nil, visitor},
		"six with a port":                   {"::1", []string{"[2001:db8::7]:4711"}, nil, "2001:db8::7"},
		"six in brackets":                   {"::1", []string{"[2001:db8::7]"}, nil, "2001:db8::7"},
		"mapped":                            {"::ffff:127.0.0.1", []string{"::ffff:" + visitor}, nil, visitor},
		"garbage":                           {"127.0.0.1", []string{visitor + ", garbage"}, nil, "127.0.0.1"},
		"garbage behind a proxy":            {"127.0.0.1", []string{"garbage, 10.0.0.1"}, nil, "10.0.0.1"},
		"empty":                             {"127.0.0.1", []string{""}, nil, "127.0.0.1"},
		"unspecified":                       {"127.0.0.1", []string{"0.0.0.0"}, nil, "127.0.0.1"},
		"too long":                          {"127.0.0.1", []string{strings.Repeat(visitor+",", 1000) + visitor}, nil, "127.0.0.1"},
		"a zone":                            {"127.0.0.1", []string{"fe80::1%eth0"}, nil, "fe80::1"},
		"forwarded":                         {"127.0.0.1", nil, []string{"for=198.51.100.1, for=" + visitor + ";proto=https"}, visitor},
		"forwarded, quoted":                 {"127.0.0.1", nil, []string{`for="[2001:db8::7]:4711"`}, "2001:db8::7"},
		"forwarded, a comma in quotes":      {"127.0.0.1", nil, []string{`for=198.51.100.1;host="a,for=1.2.3.4", For=` + visitor}, visitor},
		"forwarded, hidden":                 {"127.0.0.1", nil, []string{"for=" + visitor + ", for=_hidden"}, "127.0.0.1"},
		"forwarded, twice in one":           {"127.0.0.1", nil, []string{"for=" + visitor + ";for=198.51.100.1"}, "127.0.0.1"},
		"forwarded, without an address":     {"127.0.0.1", nil, []string{"proto=https"}, "127.0.0.1"},
		"both agree":                        {"127.0.0.1", []string{visitor}, []string{"for=" + visitor}, visitor},
		"both differ, so one is a client's": {"127.0.0.1", []string{visitor}, []string{"for=198.51.100.1"}, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			if tc.xff != nil {
				h["X-Forwarded-For"] = tc.xff
			}
			if tc.forwarded != nil {
				h["Forwarded"] = tc.forwarded
			}
			require.Equal(t, tc.want, trust.Client(netip.MustParseAddr(tc.peer), h).String())
		})
	}
}

func TestHandler(t *testing.T) {
	got := ""
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })
	trust, err := Parse("192.0.2.1")
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		trust        Trust
		remote, want string
	}{
		"nobody is trusted": {nil, "192.0.2.1:1234", "192.0.2.1:1234"},
		"trusted":           {trust, "192.0.2.1:1234", "198.51.100.1:0"},
		"a stranger":        {trust, "192.0.2.2:1234", "192.0.2.2:1234"},
		"a socket":          {trust, "@", "@"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tc.remote
			r.Header.Set("X-Forwarded-For", "198.51.100.1")
			tc.trust.Handler(next).ServeHTTP(httptest.NewRecorder(), r)
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.remote, r.RemoteAddr, "the request is not ours to change")
		})
	}
}

// Whatever the headers say: who is no trusted proxy stays who they are, and the right-most word of a proxy that is trusted
// can't be overruled by what comes before it.
func FuzzClient(f *testing.F) {
	f.Add("198.51.100.1, 192.0.2.7", `for="[2001:db8::7]:1";proto=https, for=10.0.0.1`)
	f.Add("", "for=_x")
	trust, err := Parse("127.0.0.1", "10.0.0.0/8")
	require.NoError(f, err)
	stranger, near := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("127.0.0.1")
	f.Fuzz(func(t *testing.T, xff, forwarded string) {
		h := http.Header{"X-Forwarded-For": {xff}, "Forwarded": {forwarded}}
		require.Equal(t, stranger, trust.Client(stranger, h))
		require.True(t, trust.Client(near, h).IsValid())
		h = http.Header{"X-Forwarded-For": {xff, "192.0.2.7"}}
		if len(xff) < maxHeader/2 {
			require.Equal(t, "192.0.2.7", trust.Client(near, h).String())
		}
	})
}
