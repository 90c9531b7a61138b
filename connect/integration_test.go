//go:build integration

package connect_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/component"
	mellium "mellium.im/xmpp/disco"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// rawAttacker is a component of a real server that writes whatever it likes.
// Servers end its stream for some of that, and it comes back.
type rawAttacker struct {
	name, addr string
	conn       net.Conn
	r          *bufio.Reader
	probes     int
}

func (a *rawAttacker) connect(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", a.addr)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	a.conn, a.r = conn, bufio.NewReader(conn)
	fmt.Fprintf(conn, "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='%s'>", a.name)
	head := a.until(">")
	if strings.HasSuffix(head, "?>") {
		head = a.until(">")
	}
	_, id, _ := strings.Cut(strings.ReplaceAll(head, `"`, "'"), " id='")
	id, _, _ = strings.Cut(id, "'")
	sum := sha1.Sum([]byte(id + integration.Secret))
	fmt.Fprintf(conn, "<handshake>%s</handshake>", hex.EncodeToString(sum[:]))
	require.Contains(t, a.until(">"), "handshake")
}

// until reads up to and including a mark.
func (a *rawAttacker) until(mark string) string {
	var seen strings.Builder
	for !strings.HasSuffix(seen.String(), mark) {
		b, err := a.r.ReadByte()
		if err != nil {
			break
		}
		seen.WriteByte(b)
	}
	return seen.String()
}

// send delivers an attack to the attacker's own server.
func (a *rawAttacker) send(t *testing.T, raw string) {
	t.Helper()
	if a.conn == nil {
		a.connect(t)
	}
	require.NoError(t, a.conn.SetDeadline(time.Now().Add(patience)))
	fmt.Fprint(a.conn, raw)
}

// reaches reports whether a ping to the victim is answered.
func (a *rawAttacker) reaches(t *testing.T, victim string) bool {
	t.Helper()
	for range 2 {
		if a.conn == nil {
			a.connect(t)
		}
		_ = a.conn.SetDeadline(time.Now().Add(5 * time.Second))
		a.probes++
		id := fmt.Sprintf("probe-%d-", a.probes)
		fmt.Fprintf(a.conn, "<iq type='get' id='%s' from='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", id, a.name, victim)
		for {
			tag := a.until(">")
			if tag == "" || strings.Contains(tag, "stream:error") || strings.Contains(tag, "</stream:stream") {
				// The server has ended the attacker's stream, not the victim.
				a.conn.Close()
				a.conn = nil
				break
			}
			if strings.Contains(tag, "<iq") && strings.Contains(tag, id) {
				return strings.Contains(tag, "result")
			}
		}
	}
	return false
}

// TestAttacksThroughRealServers sends the attacks from a component of one real server to victims at another: mellium's
// session without a guard, for which some must be deadly, and ours.
func TestAttacksThroughRealServers(t *testing.T) {
	lab := integration.Shared(t)
	type server struct {
		domain, component, c2s string
	}
	prosody := server{lab.Prosody.Domain(), lab.Prosody.Component(), lab.Prosody.C2S()}
	ejabberd := server{lab.Ejabberd.Domain(), lab.Ejabberd.Component(), lab.Ejabberd.C2S()}
	for _, c := range []struct {
		name     string
		from, to server
	}{{"ejabberd to Prosody", ejabberd, prosody}, {"Prosody to ejabberd", prosody, ejabberd}} {
		t.Run(c.name, func(t *testing.T) {
			a := &rawAttacker{name: "comp." + c.from.domain, addr: c.from.component}
			defer func() { a.conn.Close() }()

			t.Run("without a guard", func(t *testing.T) {
				victim := "crawler." + c.to.domain
				deadly := 0
				var names []string
				for _, attack := range testserver.Attacks(a.name, victim) {
					v := newUnguarded(t, victim, c.to.component)
					// What was on its way to the one before may still end this one.
					for tries := 0; !a.finds(t, v); tries++ {
						require.Less(t, tries, 5)
						v.close()
						v = newUnguarded(t, victim, c.to.component)
					}
					a.send(t, attack.XML)
					if !a.finds(t, v) {
						deadly++
						names = append(names, attack.Name)
					}
					v.close()
				}
				t.Logf("%d attacks are relayed and end the session: %q", deadly, names)
				require.Greater(t, deadly, 20)
			})
			quiet := slog.New(slog.DiscardHandler)
			for _, role := range []struct {
				name string
				open func() *connect.Session
			}{
				{"component", func() *connect.Session {
					return open(t, connect.Component, connect.Config{
						JID: jid.MustParse("reporter." + c.to.domain), Secret: integration.Secret, Server: c.to.component, Logger: quiet,
						Handler: mux.New(component.NSAccept, mellium.Handle(), ping.Handle()),
					})
				}},
				{"client", func() *connect.Session {
					s := open(t, connect.Client, connect.Config{
						JID: jid.MustParse("alice@" + c.to.domain), Password: integration.Password, Server: c.to.c2s, Logger: quiet,
						TLS:     &tls.Config{RootCAs: lab.CA()},
						Handler: mux.New(stanza.NSClient, mellium.Handle(), ping.Handle()),
					})
					require.NoError(t, s.Send(testContext(t), stanza.Presence{}.Wrap(nil)))
					return s
				}},
			} {
				t.Run(role.name, func(t *testing.T) {
					s := role.open()
					me := s.LocalAddr().String()
					for _, attack := range testserver.Attacks(a.name, me) {
						a.send(t, attack.XML)
						require.True(t, a.reaches(t, me), attack.Name)
					}
					require.EqualValues(t, 1, s.Counters().Connects)
					require.Positive(t, s.Counters().Dropped)
					t.Logf("%+v", s.Counters())
				})
			}
		})
	}
}

// unguarded is mellium's own component.
type unguarded struct {
	name   string
	pinged chan struct{}
	ended  chan struct{}
	close  func()
}

func newUnguarded(t *testing.T, name, addr string) *unguarded {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	s, err := component.NewSession(testContext(t), jid.MustParse(name), []byte(integration.Secret), conn)
	require.NoError(t, err)
	v := &unguarded{name: name, pinged: make(chan struct{}, 10), ended: make(chan struct{})}
	m := mux.New(component.NSAccept, mux.IQFunc(stanza.GetIQ, xml.Name{Space: ping.NS, Local: "ping"},
		func(iq stanza.IQ, t xmlstream.TokenReadEncoder, _ *xml.StartElement) error {
			v.pinged <- struct{}{}
			_, err := xmlstream.Copy(t, iq.Result(nil))
			return err
		}))
	go func() {
		defer close(v.ended)
		// mellium leaves the connection open.
		defer conn.Close()
		defer func() { _ = recover() }()
		_ = s.Serve(m)
	}()
	v.close = func() {
		_ = s.Close()
		conn.Close()
		<-v.ended
	}
	return v
}

// finds reports whether a ping reaches a mellium session before that ends.
func (a *rawAttacker) finds(t *testing.T, v *unguarded) bool {
	t.Helper()
	for range 20 {
		if a.conn == nil {
			a.connect(t)
		}
		fmt.Fprintf(a.conn, "<iq type='get' id='probe' from='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", a.name, v.name)
		select {
		case <-v.pinged:
			return true
		case <-v.ended:
			return false
		case <-time.After(500 * time.Millisecond):
			// The attacker's own server may have ended its stream for the attack.
			a.conn.Close()
			a.conn = nil
		}
	}
	t.Error("neither a ping nor an end")
	return false
}

// TestRealLosses shows that the session comes back after what real servers go through.
func TestRealLosses(t *testing.T) {
	lab := integration.Shared(t)
	type control interface {
		Kill(testing.TB)
		Start(testing.TB)
		Stop(testing.TB)
		Pause(testing.TB)
		Resume(testing.TB)
	}
	for _, srv := range []struct {
		name, domain, component, c2s string
		control
	}{
		{"Prosody", lab.Prosody.Domain(), lab.Prosody.Component(), lab.Prosody.C2S(), lab.Prosody},
		{"ejabberd", lab.Ejabberd.Domain(), lab.Ejabberd.Component(), lab.Ejabberd.C2S(), lab.Ejabberd},
	} {
		quick := connect.Config{
			MinBackoff: 50 * time.Millisecond, MaxBackoff: 500 * time.Millisecond,
			KeepAlive: 500 * time.Millisecond, IdleTimeout: 2 * time.Second, Logger: slog.New(slog.DiscardHandler),
		}
		asComponent, asClient := quick, quick
		asComponent.JID, asComponent.Secret, asComponent.Server = jid.MustParse("reporter."+srv.domain), integration.Secret, srv.component
		asClient.JID, asClient.Password, asClient.Server = jid.MustParse("alice@"+srv.domain), integration.Password, srv.c2s
		asClient.TLS = &tls.Config{RootCAs: lab.CA()}
		t.Run(srv.name, func(t *testing.T) {
			sessions := []*connect.Session{open(t, connect.Component, asComponent), open(t, connect.Client, asClient)}
			var ups []<-chan struct{}
			for _, s := range sessions {
				ups = append(ups, connections(s))
				await(t, ups[len(ups)-1], "the first connection")
			}
			settled := func() {
				t.Helper()
				for i, s := range sessions {
					await(t, ups[i], "another connection")
					ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
					_, err := disco.GetInfo(ctx, s, jid.MustParse(srv.domain), "")
					cancel()
					require.NoError(t, err)
				}
			}

			// For longer than the idle limit, pings alone keep an idle connection.
			idle := time.NewTimer(3 * time.Second)
			<-idle.C
			for _, s := range sessions {
				require.EqualValues(t, 1, s.Counters().Connects)
				require.Positive(t, s.Counters().Pings)
			}

			srv.Kill(t)
			srv.Start(t)
			settled()
			srv.Stop(t)
			srv.Start(t)
			settled()
			srv.Pause(t)
			for _, s := range sessions {
				await(t, lost(s), "the idle limit")
			}
			srv.Resume(t)
			settled()
		})
	}
}

// lost is closed when the present connection ends.
func lost(s *connect.Session) <-chan struct{} {
	c := make(chan struct{})
	s.OnConnect(func(ctx context.Context) {
		<-ctx.Done()
		select {
		case <-c:
		default:
			close(c)
		}
	})
	return c
}

// TestRealRefusals shows that real servers' refusals are understood.
func TestRealRefusals(t *testing.T) {
	lab := integration.Shared(t)
	for _, srv := range []struct {
		name, domain, component, c2s string
		unknownComponent             error
	}{
		{"Prosody", lab.Prosody.Domain(), lab.Prosody.Component(), lab.Prosody.C2S(), connect.ErrHostUnknown},
		// ejabberd makes no difference to a wrong secret.
		{"ejabberd", lab.Ejabberd.Domain(), lab.Ejabberd.Component(), lab.Ejabberd.C2S(), connect.ErrCredentials},
	} {
		ca := &tls.Config{RootCAs: lab.CA()}
		for _, c := range []struct {
			name string
			dial func(context.Context, connect.Config) (*connect.Session, error)
			cfg  connect.Config
			want error
		}{
			{"wrong password", connect.Client, connect.Config{JID: jid.MustParse("alice@" + srv.domain), Password: "wrong", Server: srv.c2s, TLS: ca}, connect.ErrCredentials},
			{"unknown account", connect.Client, connect.Config{JID: jid.MustParse("nobody@" + srv.domain), Password: "wrong", Server: srv.c2s, TLS: ca}, connect.ErrCredentials},
			{"unknown CA", connect.Client, connect.Config{JID: jid.MustParse("alice@" + srv.domain), Password: "pw", Server: srv.c2s}, connect.ErrCertificate},
			{"unknown domain", connect.Client, connect.Config{JID: jid.MustParse("alice@elsewhere.test"), Password: "pw", Server: srv.c2s, TLS: ca}, connect.ErrHostUnknown},
			{"wrong secret", connect.Component, connect.Config{JID: jid.MustParse("reporter." + srv.domain), Secret: "wrong", Server: srv.component}, connect.ErrCredentials},
			{"unknown component", connect.Component, connect.Config{JID: jid.MustParse("elsewhere.test"), Secret: integration.Secret, Server: srv.component}, srv.unknownComponent},
		} {
			t.Run(srv.name+", "+c.name, func(t *testing.T) {
				_, err := c.dial(testContext(t), c.cfg)
				t.Log(err)
				require.ErrorIs(t, err, c.want)
			})
		}
	}
}
