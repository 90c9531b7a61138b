package main

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/xep"
)

func TestOtherNames(t *testing.T) {
	for _, c := range []struct {
		name  string
		names []string
		want  bool
	}{
		{"XmppAddr", []string{"xmpp:me.test"}, true},
		{"XmppAddr in other letters", []string{"xmpp:ME.test"}, true},
		{"SRVName", []string{"srv:_xmpp-server.me.test"}, true},
		{"SRVName in other letters", []string{"srv:_XMPP-Server.me.test"}, true},
		{"among others", []string{"other.test", "xmpp:other.test", "srv:_xmpp-server.me.test"}, true},
		{"SRVName of clients", []string{"srv:_xmpp-client.me.test"}, false},
		{"another domain", []string{"xmpp:other.test", "srv:_xmpp-server.other.test"}, false},
		{"a subdomain", []string{"xmpp:a.me.test"}, false},
		{"a user", []string{"xmpp:user@me.test"}, false},
		{"DNS alone", []string{"me.test"}, false},
		{"none", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := parseOtherNames(altNames(c.names))
			require.NoError(t, err)
			require.Equal(t, c.want, o.covers(mustName(t)))
		})
	}
	for _, bad := range []string{"", "\x30", "\x30\x01\x00", "\x04\x00", "\x30\x00\x00"} {
		_, err := parseOtherNames([]byte(bad))
		require.Error(t, err, "%q", bad)
	}
}

func TestNamesOf(t *testing.T) {
	require.Equal(t, "no name of a host", namesOf(new(x509.Certificate), otherNames{}))
	c := &x509.Certificate{DNSNames: append([]string{"evil\x1b[2J"}, strings.Fields(strings.Repeat("a.test ", 20))...)}
	got := namesOf(c, otherNames{})
	require.NotContains(t, got, "\x1b")
	require.True(t, strings.HasSuffix(got, "and 11 more"), got)
}

// Whatever a certificate holds, it is read within bounds.
func FuzzOtherNames(f *testing.F) {
	f.Add(altNames([]string{"me.test", "xmpp:me.test", "srv:_xmpp-server.me.test"}))
	f.Add([]byte("\x30\x03\xa0\x01\x00"))
	f.Fuzz(func(t *testing.T, der []byte) {
		o, err := parseOtherNames(der)
		if err != nil {
			require.Empty(t, o.xmppAddrs)
			require.Empty(t, o.srvNames)
		}
		require.LessOrEqual(t, len(o.xmppAddrs)+len(o.srvNames), maxNames)
		o.covers(xep.MustName("me.test"))
	})
}
