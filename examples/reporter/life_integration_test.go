//go:build integration

package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// prepared is a lab whose servers have what their operators need; nobody advertises yet but the reporter's domains.
func prepared(t *testing.T) *integration.Lab {
	t.Helper()
	lab := integration.Start(t, integration.Options{})
	lab.Prosody.Configure(t, func(c *integration.ProsodyConfig) {
		c.Admins = append(c.Admins, "reporter.a.test")
		c.PubSubAdmins = append(c.PubSubAdmins, "reporter.a.test")
	})
	lab.Prosody.Restart(t) // it reads who its administrators are only at its start
	return lab
}

// quick makes a reporter look often, and ask again soon.
var quick = []string{"-interval", "1s", "-verdict-ttl", "3s"}

func prosodyArgs(t *testing.T, lab *integration.Lab, source string, more ...string) []string {
	return slices.Concat([]string{"-component", "reporter.a.test", "-secret-file", secretFile(t, integration.Secret),
		"-server", lab.Prosody.Component(), "-source", source}, quick, more)
}

func ejabberdArgs(t *testing.T, lab *integration.Lab) []string {
	return slices.Concat([]string{"-jid", "admin@b.test", "-password-file", secretFile(t, integration.Password),
		"-server", lab.Ejabberd.C2S(), "-tls-ca", lab.CAFile(), "-source", "ejabberd"}, quick)
}

// absent waits until a published item names somebody no longer.
func absent(t *testing.T, as *connect.Session, service, name string) {
	t.Helper()
	eventually(t, service+" does not name "+name, func() error {
		item, err := pubsub.Fetch(t.Context(), as, jid.MustParse(service), xep.DefaultNode)
		if err == nil && strings.Contains(string(item.Raw), name) {
			err = fmt.Errorf("still named: %s", item.Raw)
		}
		return err
	})
}

// Names come and go with the consent of the peers, while connections stay as they are.
func TestConsentComesAndGoes(t *testing.T) {
	lab := prepared(t)
	lab.Prosody.Advertise(t, "a.test", true)
	lab.Ejabberd.Advertise(t, "b.test", true)
	federate(t, lab)
	background(t, prosodyArgs(t, lab, "prosody-socket:"+lab.Prosody.AdminSocket())...)
	background(t, ejabberdArgs(t, lab)...)
	c := other(t, "comp.c.test", lab.Quiet.Component())
	published(t, c, "a.test", []string{"b.test"}, "c.test")
	published(t, c, "b.test", []string{"a.test"}, "c.test")

	lab.Quiet.Advertise(t, "c.test", true)
	published(t, c, "a.test", []string{"b.test", "c.test"})
	published(t, c, "b.test", []string{"a.test", "c.test"})

	lab.Quiet.Advertise(t, "c.test", false)
	absent(t, c, "pubsub.a.test", "c.test")
	absent(t, c, "pubsub.b.test", "c.test")
	lab.Ejabberd.Advertise(t, "b.test", false)
	absent(t, c, "pubsub.a.test", "b.test")
}

// The servers restart under the reporters, and the reporters on their servers.
func TestRestarts(t *testing.T) {
	lab := prepared(t)
	lab.Prosody.Advertise(t, "a.test", true)
	lab.Ejabberd.Advertise(t, "b.test", true)
	federate(t, lab)
	keep := append(prosodyArgs(t, lab, "prosody"), "-keep")
	stop := background(t, keep...)
	background(t, ejabberdArgs(t, lab)...)
	c := other(t, "comp.c.test", lab.Quiet.Component())
	published(t, c, "a.test", []string{"b.test"}, "c.test")
	published(t, c, "b.test", []string{"a.test"}, "c.test")

	lab.Prosody.Restart(t)
	federate(t, lab)
	published(t, c, "a.test", []string{"b.test"}, "c.test")
	lab.Ejabberd.Restart(t)
	federate(t, lab)
	published(t, c, "b.test", []string{"a.test"}, "c.test")
	published(t, c, "a.test", []string{"b.test"}, "c.test")

	stop()
	published(t, c, "a.test", []string{"b.test"}, "c.test") // which was kept
	lab.Ejabberd.Advertise(t, "b.test", false)
	background(t, keep...)
	absent(t, c, "pubsub.a.test", "b.test")
}

// Two virtual hosts of one server, in one item and in one each.
func TestTwoVirtualHosts(t *testing.T) {
	lab := prepared(t)
	lab.Ejabberd.Advertise(t, "b.test", true)
	lab.Prosody.Advertise(t, "a.test", true)
	federate(t, lab)
	talk(t, lab, "alice@a2.test", lab.Prosody.C2S(), "b2.test", "b.test", "c.test")
	c := other(t, "comp.c.test", lab.Quiet.Component())
	for _, source := range []string{"prosody", "prosody-socket:" + lab.Prosody.AdminSocket()} {
		kind, _, _ := strings.Cut(source, ":")
		t.Run(kind+", one item", func(t *testing.T) {
			lab.Prosody.AdvertiseNode(t, "a2.test", true, "xmpp:pubsub.a.test?;node=serverinfo")
			stop := background(t, prosodyArgs(t, lab, source, "-also", "a2.test")...)
			published(t, c, "a.test", []string{"a.test", "a2.test", "b.test"}, "c.test", "b2.test")
			item, err := pubsub.Fetch(t.Context(), c, jid.MustParse("pubsub.a.test"), xep.DefaultNode)
			require.NoError(t, err)
			require.Len(t, item.Info.Domains, 2)
			stop()
			gone(t, c, "pubsub.a.test")
		})
		t.Run(kind+", one each", func(t *testing.T) {
			lab.Prosody.Advertise(t, "a2.test", true)
			stop := background(t, prosodyArgs(t, lab, source, "-domain", "a.test", "-domain", "a2.test")...)
			published(t, c, "a.test", []string{"a.test", "b.test"}, "c.test", "b2.test", "a2.test")
			published(t, c, "a2.test", []string{"a2.test", "b.test"}, "c.test", "b2.test", "'a.test'")
			stop()
			gone(t, c, "pubsub.a.test")
			gone(t, c, "pubsub.a2.test")
		})
	}
}

const serverHeader = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' " +
	"xmlns:db='jabber:server:dialback' from='%s' to='%s'%s>"

// claim opens a stream to a server under any name, and proves nothing.
func claim(t *testing.T, server, from, to, version string) (net.Conn, *xml.Decoder) {
	t.Helper()
	conn, err := net.Dial("tcp", server)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = fmt.Fprintf(conn, serverHeader, from, to, version)
	require.NoError(t, err)
	return conn, xml.NewDecoder(conn)
}

// element reads up to the start of an element.
func element(d *xml.Decoder, local string) (xml.StartElement, error) {
	for {
		tok, err := d.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if s, ok := tok.(xml.StartElement); ok && s.Name.Local == local {
			return s, nil
		}
	}
}

func attribute(s xml.StartElement, name string) string {
	for _, a := range s.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// seen are the names that the sources show.
func seen(t *testing.T, lab *integration.Lab, as *connect.Session) map[string][]string {
	t.Helper()
	names := make(map[string][]string)
	for kind, s := range map[string]report.Source{
		"ad-hoc": report.ProsodyAdHoc{Session: as, Host: jid.MustParse("a.test")},
		"socket": report.ProsodySocket{Path: lab.Prosody.AdminSocket()},
	} {
		cs, err := s.Connections(t.Context())
		require.NoError(t, err)
		for _, c := range cs {
			names[kind] = append(names[kind], c.Remote)
		}
		require.Contains(t, names[kind], "b.test", "real streams do show")
	}
	return names
}

// Whoever only says that they are evil.test is not evil.test.
func TestClaimedNamesNeverShow(t *testing.T) {
	lab := prepared(t)
	federate(t, lab)
	_, d := claim(t, lab.Prosody.S2S(), "evil.test", "a.test", " version='1.0'")
	_, err := element(d, "features")
	require.NoError(t, err)
	require.Contains(t, lab.Prosody.Shell(t, "s2s:show()"), "evil.test", "Prosody itself shows it")

	admin := other(t, "reporter.a.test", lab.Prosody.Component())
	for kind, names := range seen(t, lab, admin) {
		require.NotContains(t, names, "evil.test", kind)
	}
	require.NoError(t, admin.Close()) // the program takes its place
	for _, source := range []string{"prosody", "prosody-socket:" + lab.Prosody.AdminSocket()} {
		out, _ := runProgram(t, 0, append(prosodyArgs(t, lab, source), "-dry-run")...)
		require.NotContains(t, out, "evil.test")
		require.Contains(t, out, `"b.test"`)
	}
}

// On a server that trusts the DNS alone, anybody who has a domain can put another name into the header of a stream and then
// prove their own by dialback.
func TestADialbackProvesNoOtherName(t *testing.T) {
	lab := prepared(t)
	file := filepath.Join(lab.Prosody.Dir(), "prosody.cfg.lua")
	conf, err := os.ReadFile(file)
	require.NoError(t, err)
	trusting := strings.Replace(string(conf), "s2s_secure_auth = true", "s2s_secure_auth = false\ns2s_require_encryption = false", 1)
	require.NotEqual(t, string(conf), trusting)
	require.NoError(t, os.WriteFile(file, []byte(trusting), 0o644))
	lab.Prosody.Restart(t)
	federate(t, lab)
	authority(t, lab)

	conn, d := claim(t, lab.Prosody.S2S(), "evil.test", "a.test", "")
	_, err = element(d, "stream")
	require.NoError(t, err)
	_, err = fmt.Fprint(conn, "<db:result from='spare.test' to='a.test'>key</db:result>")
	require.NoError(t, err)
	verdict, err := element(d, "result")
	require.NoError(t, err)
	require.Equal(t, "valid", attribute(verdict, "type"))
	shown := lab.Prosody.Shell(t, `s2s:show(nil, "type host dir remote")`)
	require.Contains(t, shown, "evil.test", "Prosody itself takes the header's word for it")

	admin := other(t, "reporter.a.test", lab.Prosody.Component())
	names := seen(t, lab, admin)
	require.NotContains(t, names["ad-hoc"], "evil.test")
	require.NotContains(t, names["socket"], "evil.test")
	require.Contains(t, names["socket"], "spare.test", "what was proved does show")
}

// authority is the server of spare.test, which says of every key that it is right.
func authority(t *testing.T, lab *integration.Lab) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(lab.SpareAddress(), "5269"))
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// The test's context ends before its cleanup begins.
			stop := context.AfterFunc(t.Context(), func() { _ = c.Close() })
			affirm(c)
			stop()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
}

// affirm answers the questions on one connection until the other side hangs up.
func affirm(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	d := xml.NewDecoder(c)
	if _, err := element(d, "stream"); err != nil {
		return
	}
	fmt.Fprintf(c, serverHeader, "spare.test", "a.test", " id='1'")
	// Prosody proves its own name first, and asks about ours when it has.
	if _, err := element(d, "result"); err != nil {
		return
	}
	fmt.Fprint(c, "<db:result from='spare.test' to='a.test' type='valid'/>")
	for {
		verify, err := element(d, "verify")
		if err != nil {
			return
		}
		fmt.Fprintf(c, "<db:verify from='spare.test' to='a.test' id='%s' type='valid'/>", attribute(verify, "id"))
	}
}
