//go:build integration

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	meeting = "meeting@rooms.c.test" // where somebody has the bot's nick already
	lonely  = "lonely@rooms.c.test"  // which is there only because the bot is
)

// guest is a person with a client.
type guest struct {
	s *connect.Session
	// said is what comes from others, presence whether a room lets the guest in.
	said     chan heard
	presence chan heard
}

type heard struct {
	From string    `xml:"from,attr"`
	Type string    `xml:"type,attr"`
	Body string    `xml:"body"`
	Old  *struct{} `xml:"urn:xmpp:delay delay"`
}

func newGuest(t *testing.T, lab *integration.Lab, account string) *guest {
	t.Helper()
	g := &guest{said: make(chan heard, 100), presence: make(chan heard, 1000)}
	s, err := connect.Client(t.Context(), connect.Config{
		JID: jid.MustParse(account), Server: lab.Quiet.C2S(), Password: integration.Password, Logger: slog.New(slog.DiscardHandler),
		TLS: &tls.Config{RootCAs: lab.CA(), MinVersion: tls.VersionTLS12}, Handler: xmpp.HandlerFunc(g.hear),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	g.s = s
	g.send(t, "<presence/>")
	return g
}

func (g *guest) hear(s xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	var h heard
	if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), s)).Decode(&h); err != nil {
		return err
	}
	switch {
	case start.Name.Local == "presence":
		g.presence <- h
	case start.Name.Local == "message" && h.Body != "" && h.Old == nil:
		g.said <- h
	}
	return nil
}

func (g *guest) send(t *testing.T, raw string) {
	t.Helper()
	require.NoError(t, g.s.Send(t.Context(), xml.NewDecoder(strings.NewReader(raw))))
}

// join enters a room, and tries until it is open.
func (g *guest) join(t *testing.T, at string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		g.send(t, "<presence to='"+at+"'><x xmlns='http://jabber.org/protocol/muc'><history maxchars='0'/></x></presence>")
		for h := (heard{}); h.From != at; {
			select {
			case h = <-g.presence:
			case <-ctx.Done():
				t.Fatal("not let into the room")
			}
			if h.From == at && h.Type == "" {
				return
			}
		}
	}
}

// hears returns what somebody says next.
func (g *guest) hears(t *testing.T, from string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		select {
		case h := <-g.said:
			if strings.HasSuffix(h.From, "/alice") {
				continue // her own words, as the room gives them to all
			}
			require.True(t, strings.HasPrefix(h.From, from), "%s says %q", h.From, h.Body)
			return h.Body
		case <-ctx.Done():
			t.Fatalf("nothing is heard from %s", from)
		}
	}
}

// network has a.test report b.test, which opts in, and a2.test, which does not.
func network(t *testing.T, lab *integration.Lab) {
	t.Helper()
	lab.Prosody.Advertise(t, "a.test", true)
	lab.Ejabberd.Advertise(t, "b.test", true)
	owner, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse("reporter.a.test"), Server: lab.Prosody.Component(), Secret: integration.Secret, Handler: mux.New(component.NSAccept),
	})
	require.NoError(t, err)
	defer owner.Close()
	for _, set := range []string{
		"<create node='serverinfo'/>",
		"<publish node='serverinfo'><item id='current'><serverinfo xmlns='" + xep.NS + "'><domain name='a.test'><federation>" +
			"<remote-domain name='b.test'/><remote-domain name='a2.test'/></federation></domain></serverinfo></item></publish>",
	} {
		_, err = roundtrip.Do(t.Context(), owner, roundtrip.Request{
			Type: stanza.SetIQ, To: jid.MustParse("pubsub.a.test"), Payload: []byte("<pubsub xmlns='http://jabber.org/protocol/pubsub'>" + set + "</pubsub>"),
		})
		require.NoError(t, err)
	}
}

// startBot runs the program as an operator would, and ends it with the test.
// It returns when the bot is in all its rooms.
func startBot(t *testing.T, lab *integration.Lab, rooms int, args ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte(integration.Password), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	errs := &journal{joined: make(chan struct{}, rooms)}
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"-jid", "bob@c.test", "-password-file", file, "-server", lab.Quiet.C2S(), "-tls-ca", lab.CAFile()}, args...), &out, errs)
	}()
	t.Cleanup(func() {
		cancel()
		status := <-done
		if t.Failed() {
			t.Logf("the bot's log:\n%s", errs.String())
		}
		require.Zero(t, status, errs.String())
		require.NotContains(t, errs.String(), "a2.test")
	})
	for range rooms {
		select {
		case <-errs.joined:
		case <-time.After(time.Minute):
			t.Fatal("the bot does not come")
		}
	}
}

// journal is the bot's log.
type journal struct {
	mu     sync.Mutex
	b      bytes.Buffer
	joined chan struct{}
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if bytes.Contains(p, []byte("msg=joined")) {
		j.joined <- struct{}{}
	}
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// A conversation in rooms of a real Prosody, about domains of two other servers.
func TestConversation(t *testing.T) {
	lab := integration.Start(t, integration.Options{})
	lab.Quiet.Configure(t, func(c *integration.ProsodyConfig) { c.Extra = `Component "rooms.c.test" "muc"` })
	lab.Quiet.Restart(t)
	network(t, lab)
	impostor := newGuest(t, lab, "admin@c.test")
	impostor.join(t, meeting+"/xmppgraph")
	impostor.send(t, "<iq type='set' id='open' to='"+meeting+"'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>")
	impostor.send(t, "<message type='groupchat' to='"+meeting+"'><body>xmppgraph_: this is history when the bot comes</body></message>")

	startBot(t, lab, 2, "-seed", "a.test", "-contact", "mailto:ops@a.test", "-spacing", "1ms", "-interval", "3s", "-room", meeting, "-room", lonely)
	alice := newGuest(t, lab, "alice@c.test")
	alice.join(t, meeting+"/alice")
	alice.join(t, lonely+"/alice")

	tell := func(room, text string) {
		alice.send(t, "<message type='groupchat' to='"+room+"'><body>"+text+"</body></message>")
	}
	bot := meeting + "/xmppgraph_"
	tell(meeting, "xmppgraph_: tell me when b.test joins or leaves")
	for !strings.Contains(alice.hears(t, bot), "b.test") {
	}
	for _, c := range []struct{ said, want string }{
		{"xmppgraph_: path a.test b.test", "alice: a.test – b.test (1 link)"},
		{"!neighbours a.test", "alice: a.test has 1 link to named domains: b.test; 1 link to domains that stay unnamed."},
		{"xmppgraph_, is a2.test there?", "alice: I know nothing of that domain."},
	} {
		tell(meeting, c.said)
		require.Equal(t, c.want, alice.hears(t, bot), c.said)
	}
	// The one who has the nick is not the bot, and who talks in private in a room gets no answer.
	tell(meeting, "xmppgraph: stats")
	alice.send(t, "<message type='chat' to='"+bot+"'><body>stats</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>")
	tell(lonely, "xmppgraph: watches")
	require.Equal(t, "alice: I watch nothing for this place.", alice.hears(t, lonely+"/xmppgraph"))

	// In a direct chat, and with news of a domain that no longer opts in.
	alice.send(t, "<message type='chat' to='bob@c.test'><body>watch b.test</body></message>")
	require.Equal(t, "Watch 1: b.test is there now. I'll say so here when it leaves.", alice.hears(t, "bob@c.test"))
	lab.Ejabberd.Advertise(t, "b.test", false)
	require.Equal(t, "Watch 1: the domain is no longer there.", alice.hears(t, "bob@c.test"))
	alice.send(t, "<message type='chat' to='bob@c.test'><body>is b.test there?</body></message>")
	require.Equal(t, "I know nothing of that domain.", alice.hears(t, "bob@c.test"))
}
