package optout

import (
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

func clientTLS(srv *testserver.Server) *tls.Config {
	return &tls.Config{RootCAs: srv.CertPool(), ServerName: testserver.HomeName, MinVersion: tls.VersionTLS12}
}

func TestParse(t *testing.T) {
	example := xep.MustName("example.org")
	for text, want := range map[string]command{
		"exclude example.org":      {verbExclude, example},
		"\n EXCLUDE\tExample.ORG ": {verbExclude, example},
		"include example.org":      {verbInclude, example},
		"exclude":                  {},
		"exclude example.org now":  {},
		"> exclude example.org":    {},
		"exclude not/a/domain":     {},
		"exclude under_score.org":  {},
		"":                         {},
		"help":                     {},
	} {
		require.Equal(t, want, parse(text), "%q", text)
	}
}

func TestPerson(t *testing.T) {
	for uri, want := range map[string]string{
		"xmpp:admin@example.org":                    "admin@example.org",
		"XMPP:admin@example.org/desk":               "admin@example.org",
		" xmpp:admin@example.org?message;body=hi ":  "admin@example.org",
		"xmpp:example.org":                          "example.org",
		"xmpp:a%5C40b@example.org":                  `a\40b@example.org`,
		"xmpp://me@other.example/admin@example.org": "admin@example.org",
		"xmpp://admin@example.org":                  "",
		"xmpp:room@rooms.example.org?join":          "",
		"xmpp:room@rooms.example.org?JOIN;x=y":      "",
		"mailto:admin@example.org":                  "",
		"admin@example.org":                         "",
		"xmpp:":                                     "",
		"xmpp:%zz":                                  "",
	} {
		got, ok := person(uri)
		require.Equal(t, want != "", ok, uri)
		if ok {
			require.Equal(t, want, got.String(), uri)
		}
	}
}

func FuzzPerson(f *testing.F) {
	f.Add("xmpp://me@other.example/admin@example.org?message;body=hi")
	f.Fuzz(func(t *testing.T, uri string) {
		if a, ok := person(uri); ok {
			require.Empty(t, a.Resourcepart())
			require.NotEmpty(t, a.Domainpart())
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("<message xmlns='jabber:client'><body>exclude example.org</body><thread>a</thread></message>"))
	f.Add([]byte("<message><body>a</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, thread, ok := read(b)
		require.LessOrEqual(t, len(text), maxText)
		require.LessOrEqual(t, len(thread), 256)
		if ok && parse(text).verb != "" {
			require.True(t, parse(text).name.Addressable())
		}
	})
}

func TestRead(t *testing.T) {
	for name, tc := range map[string]struct {
		xml, text string
		ok        bool
	}{
		"plain":            {"<message xmlns='jabber:client'><body>a</body></message>", "a", true},
		"the first of two": {"<message><body>a</body><body xml:lang='de'>b</body></message>", "a", true},
		"foreign body":     {"<message xmlns='jabber:client'><body xmlns='x'>a</body></message>", "", false},
		"forwarded":        {"<message><forwarded xmlns='urn:xmpp:forward:0'><message><body>a</body></message></forwarded></message>", "", false},
		"invitation":       {"<message><body>a</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>", "", false},
		"direct":           {"<message><x xmlns='jabber:x:conference' jid='a@b'/><body>a</body></message>", "", false},
		"cut off":          {"<message><body>a</body>", "a", false},
		"nothing":          {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			text, _, ok := read([]byte(tc.xml))
			require.Equal(t, tc.ok, ok)
			if ok {
				require.Equal(t, tc.text, text)
			}
		})
	}
}

// Nobody can use up what others need, and what is counted doesn't grow without end.
func TestLimits(t *testing.T) {
	var l limits
	now := time.Now()
	about := xep.MustName("victim.example")
	from := func(i int) jid.JID { return jid.MustParse(fmt.Sprintf("u%d@site%d.example%d", i, i, i/6)) }
	said := 0
	for i := range 3 * perHour {
		if l.admit(now, from(i), about) == tooMany {
			said++
		}
	}
	require.Positive(t, said)
	require.Less(t, len(l.counts), 5*perHour)
	require.Equal(t, silence, l.admit(now, from(0), about))

	now = now.Add(time.Hour)
	for i := range perHourDomain + 1 {
		want := admitted
		if i == perHourDomain {
			want = tooMany
		}
		require.Equal(t, want, l.admit(now, from(i), about), i)
	}
	require.Equal(t, admitted, l.admit(now, jid.MustParse("victim.example"), about), "the domain itself is heard")
	require.True(t, l.once(from(0)))
	require.False(t, l.once(from(0)))
}
