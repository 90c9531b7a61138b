package talk

import (
	"context"
	"encoding/xml"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/examples/internal/chat"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) { leak.Main(m) }

const (
	roomAddr = "room@" + testserver.Component
	alice    = "alice@" + testserver.Component + "/phone"
	patient  = 5 * time.Second // within which what must come has to come
)

// heard is a stanza that the bot sent.
type heard struct {
	XMLName  xml.Name
	Type     string    `xml:"type,attr"`
	To       string    `xml:"to,attr"`
	ID       string    `xml:"id,attr"`
	Body     string    `xml:"body"`
	MUC      *struct{} `xml:"http://jabber.org/protocol/muc x"`
	Identity []struct {
		Category string `xml:"category,attr"`
		Type     string `xml:"type,attr"`
	} `xml:"query>identity"`
	Version string `xml:"query>name"`
}

// stage is everybody else: a component that plays people and a room.
type stage struct {
	t     *testing.T
	srv   *testserver.Server
	s     *connect.Session
	bot   jid.JID
	graph *graph.Graph
	// words and presence are what the bot sent.
	words, presence chan heard
	// isBot says how the people answer when they are asked what they are.
	isBot map[string]bool
	// later is how far the bot's clock is ahead, in which rates of asking are counted.
	later atomic.Int64
	// wire is the bot's last connection.
	wire atomic.Pointer[net.Conn]
}

func newStage(t *testing.T) *stage {
	t.Helper()
	st := &stage{
		t: t, srv: testserver.Start(t, testserver.Config{Seed: 1}), graph: graph.New(graph.Options{Pulse: time.Millisecond}),
		words: make(chan heard, 100), presence: make(chan heard, 100),
		isBot: map[string]bool{},
	}
	until := time.Now().Add(time.Hour)
	st.graph.Apply(graph.Report{Domain: xep.MustName("a.example"), Until: until, Peers: []graph.Peer{{Name: xep.MustName("b.example"), Until: until}}})
	s, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse(testserver.Component), Server: st.srv.ComponentAddr(), Secret: testserver.Secret,
		Handler: xmpp.HandlerFunc(st.hear), Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	st.s = s
	t.Cleanup(func() { _ = s.Close() })
	return st
}

// hear takes what comes from the bot.
func (st *stage) hear(s xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	var h heard
	if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), s)).Decode(&h); err != nil {
		return err
	}
	switch start.Name.Local {
	case "message":
		st.words <- h
	case "presence":
		st.presence <- h
	case "iq":
		return st.disco(s, start, h)
	}
	return nil
}

func (st *stage) disco(s xmlstream.TokenReadEncoder, start *xml.StartElement, h heard) error {
	if h.Type != "get" {
		return nil
	}
	from, err := jid.Parse(attr(start, "from"))
	if err != nil {
		return err
	}
	to, err := jid.Parse(h.To)
	if err != nil {
		return err
	}
	typ := "pc"
	if st.isBot[h.To] {
		typ = "bot"
	}
	iq := stanza.IQ{ID: h.ID, From: to, To: from, Type: stanza.ResultIQ}
	_, err = xmlstream.Copy(s, iq.Wrap(xmlstream.Wrap(
		xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Local: "identity"}, Attr: []xml.Attr{
			{Name: xml.Name{Local: "category"}, Value: "client"}, {Name: xml.Name{Local: "type"}, Value: typ}}}),
		xml.StartElement{Name: xml.Name{Space: disco.NSInfo, Local: "query"}})))
	return err
}

// enter starts the bot and waits until it has asked to be let into the rooms.
func (st *stage) enter(rooms ...string) {
	st.t.Helper()
	now := func() time.Time { return time.Now().Add(time.Duration(st.later.Load())) }
	talker := &Talker{Address: jid.MustParse(testserver.Account), Bot: &chat.Bot{Network: st.graph, Now: now}, Nick: "graph", Logger: slog.New(slog.DiscardHandler)}
	for _, r := range rooms {
		talker.Rooms = append(talker.Rooms, jid.MustParse(r))
	}
	s, err := connect.Client(st.t.Context(), connect.Config{
		JID: jid.MustParse(testserver.Account), Server: st.srv.ClientAddr(), Password: testserver.Password, TLS: tlsConfig(st.srv),
		Handler:    talker.Handler(mux.New(stanza.NSClient, Identity("test bot"), optin.Handle())),
		MinBackoff: time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			st.wire.Store(&c)
			return c, err
		},
	})
	require.NoError(st.t, err)
	talker.Session, st.bot = s, s.LocalAddr()
	ctx, cancel := context.WithCancel(st.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		talker.Run(ctx)
	}()
	st.t.Cleanup(func() {
		cancel()
		<-done
		_ = s.Close()
	})
}

// send sends a stanza to the bot as it is.
func (st *stage) send(format string, args ...string) {
	st.t.Helper()
	raw := strings.NewReplacer(append([]string{"{bot}", st.bot.String(), "{room}", roomAddr, "{alice}", alice}, args...)...).Replace(format)
	require.NoError(st.t, st.s.Send(st.t.Context(), xml.NewDecoder(strings.NewReader(raw))))
}

func receive(t *testing.T, c <-chan heard) heard {
	t.Helper()
	select {
	case h := <-c:
		return h
	case <-time.After(patient):
		t.Fatal("nothing came")
	}
	return heard{}
}

// quiet proves that nothing was said to what came before: the answer to a question that follows is the next thing said.
func (st *stage) quiet() {
	st.t.Helper()
	st.send(`<message type='chat' from='echo@` + testserver.Component + `/x' to='{bot}'><body>watches</body></message>`)
	h := receive(st.t, st.words)
	require.Equal(st.t, "I watch nothing for this place.", h.Body)
}

// welcome lets the bot into the room under the name that it asked for.
func (st *stage) welcome() string {
	st.t.Helper()
	h := receive(st.t, st.presence)
	require.NotNil(st.t, h.MUC)
	st.send(`<presence from='` + h.To + `' to='{bot}'><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>`)
	return h.To
}

func TestDirectChat(t *testing.T) {
	st := newStage(t)
	st.enter()
	st.send(`<message type='chat' from='{alice}' to='{bot}' id='1'><body>path a.example b.example</body></message>`)
	h := receive(t, st.words)
	require.Equal(t, heard{XMLName: h.XMLName, Type: "chat", To: alice, ID: h.ID, Body: "a.example – b.example (1 link)"}, h)

	// A plain message is answered as one.
	st.send(`<message from='{alice}' to='{bot}'><body>is secret.example there?</body></message>`)
	h = receive(t, st.words)
	require.Equal(t, "I know nothing of that domain.", h.Body)
	require.NotEqual(t, "groupchat", h.Type)
}

func TestNews(t *testing.T) {
	st := newStage(t)
	st.enter()
	st.send(`<message type='chat' from='{alice}' to='{bot}'><body>tell me when c.example joins</body></message>`)
	require.Contains(t, receive(t, st.words).Body, "Watch 1")
	until := time.Now().Add(time.Hour)
	st.graph.Apply(graph.Report{Domain: xep.MustName("c.example"), Until: until})
	h := receive(t, st.words)
	require.Equal(t, "alice@"+testserver.Component, h.To)
	require.Equal(t, "Watch 1: c.example has joined.", h.Body)

	// An address that is gone is written to no more.
	st.send(`<message type='error' from='alice@` + testserver.Component + `' to='{bot}'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`)
	st.send(`<message type='chat' from='{alice}' to='{bot}'><body>watches</body></message>`)
	require.Equal(t, "I watch nothing for this place.", receive(t, st.words).Body)
}

// What gets no answer.
func TestSilence(t *testing.T) {
	st := newStage(t)
	st.enter(roomAddr)
	require.Equal(t, roomAddr+"/graph", st.welcome())
	st.isBot["robot@"+testserver.Component+"/x"] = true
	st.isBot[roomAddr+"/robot"] = true
	// The room's own words come after its presence, and wake nobody.
	for name, s := range map[string]string{
		"error":              `<message type='error' from='{alice}' to='{bot}'><body>stats</body><error type='cancel'/></message>`,
		"headline":           `<message type='headline' from='{alice}' to='{bot}'><body>stats</body></message>`,
		"nothing said":       `<message type='chat' from='{alice}' to='{bot}'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`,
		"offline":            `<message type='chat' from='{alice}' to='{bot}'><body>stats</body><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/></message>`,
		"old stamp":          `<message type='chat' from='{alice}' to='{bot}'><body>stats</body><x xmlns='jabber:x:delay' stamp='20260101T00:00:00'/></message>`,
		"correction":         `<message type='chat' from='{alice}' to='{bot}'><body>stats</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/></message>`,
		"server":             `<message type='chat' from='` + testserver.Component + `' to='{bot}'><body>stats</body></message>`,
		"another bot":        `<message type='chat' from='robot@` + testserver.Component + `/x' to='{bot}'><body>stats</body></message>`,
		"private in room":    `<message type='chat' from='{room}/alice' to='{bot}'><body>stats</body></message>`,
		"private elsewhere":  `<message type='chat' from='other@` + testserver.Component + `/alice' to='{bot}'><body>stats</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>`,
		"unjoined room":      `<message type='groupchat' from='other@` + testserver.Component + `/alice' to='{bot}'><body>!stats</body></message>`,
		"forged carbon":      `<message type='chat' from='{alice}' to='{bot}'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat' from='x@y.example/z'><body>stats</body></message></forwarded></received></message>`,
		"not to the bot":     `<message type='groupchat' from='{room}/alice' to='{bot}'><body>stats</body></message>`,
		"about the bot":      `<message type='groupchat' from='{room}/alice' to='{bot}'><body>graph is there</body></message>`,
		"another's command":  `<message type='groupchat' from='{room}/alice' to='{bot}'><body>!weather</body></message>`,
		"another's name":     `<message type='groupchat' from='{room}/alice' to='{bot}'><body>graphics: stats</body></message>`,
		"history":            `<message type='groupchat' from='{room}/alice' to='{bot}'><body>graph: stats</body><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/></message>`,
		"subject":            `<message type='groupchat' from='{room}/alice' to='{bot}'><subject>x</subject><body>graph: stats</body></message>`,
		"own words":          `<message type='groupchat' from='{room}/graph' to='{bot}'><body>graph: stats</body></message>`,
		"the room itself":    `<message type='groupchat' from='{room}' to='{bot}'><body>graph: stats</body></message>`,
		"another bot inside": `<message type='groupchat' from='{room}/robot' to='{bot}'><body>graph: stats</body></message>`,
	} {
		t.Run(name, func(t *testing.T) {
			st.send(s)
			st.send(`<message type='chat' from='echo@` + testserver.Component + `/x' to='{bot}'><body>nonsense</body></message>`)
			require.NotContains(t, receive(t, st.words).Body, "named domains")
		})
		// The rate of what one site may ask is not what is tested here.
		st.fresh()
	}
	st.quiet()
	require.Empty(t, st.words)
}

// fresh forgets who has asked how often.
func (st *stage) fresh() { st.later.Add(int64(time.Minute)) }

func TestRoom(t *testing.T) {
	st := newStage(t)
	st.enter(roomAddr)
	require.Equal(t, roomAddr+"/graph", st.welcome())
	for said, want := range map[string]string{
		"graph: path a.example b.example": "Alice: a.example – b.example (1 link)",
		"@Graph, is b.example there?":     "Alice: b.example is there: others report it, it does not report itself, 1 link to named domains.",
		"!newest 1":                       "Alice: a.example (first seen ",
		"graph: sing":                     "Alice: I don't understand that. Say: help",
	} {
		st.send(`<message type='groupchat' from='{room}/Alice' to='{bot}'><body>{said}</body></message>`, "{said}", said)
		h := receive(t, st.words)
		require.Equal(t, "groupchat", h.Type)
		require.Equal(t, roomAddr, h.To)
		require.True(t, strings.HasPrefix(h.Body, want), h.Body)
	}
}

func TestNickConflict(t *testing.T) {
	st := newStage(t)
	st.enter(roomAddr)
	h := receive(t, st.presence)
	require.Equal(t, roomAddr+"/graph", h.To)
	st.send(`<presence type='error' from='{room}/graph' to='{bot}'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`)
	require.Equal(t, roomAddr+"/graph_", st.welcome())
	st.send(`<message type='groupchat' from='{room}/alice' to='{bot}'><body>graph: stats</body></message>`)
	st.send(`<message type='groupchat' from='{room}/alice' to='{bot}'><body>graph_: stats</body></message>`)
	require.Contains(t, receive(t, st.words).Body, "2 named domains")
	st.quiet()
}

// After an outage the bot is back in its room, under its name.
func TestRejoin(t *testing.T) {
	st := newStage(t)
	st.enter(roomAddr)
	st.welcome()
	st.send(`<message type='groupchat' from='{room}/alice' to='{bot}'><body>!stats</body></message>`)
	receive(t, st.words)

	require.NoError(t, (*st.wire.Load()).Close())
	require.Equal(t, roomAddr+"/graph", receive(t, st.presence).To)
}

// A room that has thrown the bot out sees it no more.
func TestKicked(t *testing.T) {
	st := newStage(t)
	st.enter(roomAddr)
	st.welcome()
	st.send(`<presence type='unavailable' from='{room}/graph' to='{bot}'><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/><status code='307'/></x></presence>`)
	st.quiet()
	require.Empty(t, st.presence)
}

func TestIdentity(t *testing.T) {
	st := newStage(t)
	st.enter()
	for _, c := range []struct{ ns, want string }{
		{disco.NSInfo, `category='client' type='bot'`},
		{"jabber:iq:version", "test bot"},
	} {
		reply, err := st.s.ExchangeIQ(t.Context(), stanza.IQ{Type: stanza.GetIQ, To: st.bot, From: jid.MustParse(testserver.Component)},
			[]byte("<query xmlns='"+c.ns+"'/>"))
		require.NoError(t, err)
		require.Contains(t, strings.ReplaceAll(string(reply), `"`, "'"), c.want)
	}
}
