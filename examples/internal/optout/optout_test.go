package optout

import (
	"context"
	"encoding/xml"
	"log/slog"
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
	"github.com/xmppgraph/xmppgraph/examples/internal/exclusion"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) { leak.Main(m) }

// patience bounds the wait for what should happen at once.
const patience = 20 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// shelf is a database.
type shelf struct {
	mu  sync.Mutex
	all map[xep.Name]store.Exclusion
	err error
}

func (s *shelf) Exclude(_ context.Context, all ...store.Exclusion) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	for _, e := range all {
		s.all[e.Domain] = e
	}
	return nil
}

func (s *shelf) Readmit(_ context.Context, names ...xep.Name) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		delete(s.all, n)
	}
	return s.err
}

func (s *shelf) Exclusions(context.Context) (all []store.Exclusion, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		all = append(all, e)
	}
	return all, s.err
}

// office is a service on a session, and the people who write to it.
type office struct {
	srv  *testserver.Server
	addr jid.JID
	db   *shelf
	list *exclusion.List

	mu   sync.Mutex
	seen []Request
}

func open(t *testing.T, change func(*Service)) *office {
	t.Helper()
	o := &office{
		srv: testserver.Start(t, testserver.Config{Seed: 1, Home: testserver.Domain{Contacts: map[string][]string{
			"abuse-addresses":   {"mailto:abuse@me.test", "xmpp:admin@me.test?message"},
			"support-addresses": {"xmpp:room@rooms.me.test?join"},
		}}}),
		addr: jid.MustParse(testserver.Component),
		db:   &shelf{all: make(map[xep.Name]store.Exclusion)},
	}
	o.list = &exclusion.List{Keeper: o.db, Logger: quiet}
	s := &Service{
		List: o.list, Contact: "mailto:ops@example.org", Timeout: 300 * time.Millisecond, Logger: quiet,
		Observe: func(r Request) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.seen = append(o.seen, r)
		},
	}
	if change != nil {
		change(s)
	}
	s.Session = o.component(t, testserver.Component, mux.New(component.NSAccept, Handle(s)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return o
}

func (o *office) component(t *testing.T, name string, h xmpp.Handler) *connect.Session {
	t.Helper()
	s, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse(name), Secret: testserver.Secret, Server: o.srv.ComponentAddr(), Handler: h, Logger: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// writer is somebody who writes and reads.
type writer struct {
	*connect.Session
	to    jid.JID
	from  jid.JID
	inbox chan string
}

// HandleXMPP implements xmpp.Handler.
func (p *writer) HandleXMPP(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	var m struct {
		Body string `xml:"body"`
	}
	if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), t)).Decode(&m); err != nil {
		return err
	}
	if m.Body != "" {
		p.inbox <- m.Body
	}
	return nil
}

// user is somebody with an account on the home server.
func (o *office) user(t *testing.T, local string) *writer {
	t.Helper()
	p := &writer{to: o.addr, inbox: make(chan string, 16)}
	var err error
	p.Session, err = connect.Client(t.Context(), connect.Config{
		JID: jid.MustParse(local + "@" + testserver.HomeName), Password: testserver.Password, Server: o.srv.ClientAddr(),
		TLS: clientTLS(o.srv), Handler: p, Logger: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// domain is a domain that speaks for itself.
func (o *office) domain(t *testing.T, name string) *writer {
	t.Helper()
	p := &writer{to: o.addr, from: jid.MustParse(name), inbox: make(chan string, 16)}
	p.Session = o.component(t, name, p)
	return p
}

func (p *writer) write(t *testing.T, text string, more ...xml.TokenReader) {
	t.Helper()
	m := stanza.Message{Type: stanza.ChatMessage, To: p.to, From: p.from}
	require.NoError(t, p.Send(t.Context(), m.Wrap(xmlstream.MultiReader(append([]xml.TokenReader{body(text, "t1")}, more...)...))))
}

func (p *writer) read(t *testing.T) string {
	t.Helper()
	select {
	case text := <-p.inbox:
		return text
	case <-time.After(patience):
		t.Fatal("no reply")
		return ""
	}
}

func (o *office) requests() []Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Request(nil), o.seen...)
}

var home = xep.MustName(testserver.HomeName)

// A contact of the domain excludes it, and takes that back. Nobody else can do either.
func TestContact(t *testing.T) {
	o := open(t, nil)
	admin, user := o.user(t, "admin"), o.user(t, "user")

	user.write(t, "exclude me.test")
	require.Contains(t, user.read(t), "Not done: user@me.test was not found among the contact addresses")
	require.False(t, o.list.Has(home))

	admin.write(t, " Exclude  ME.test\n")
	require.Equal(t, "me.test is excluded: it is no longer asked and no longer shown. To take that back, send: include me.test", admin.read(t))
	require.True(t, o.list.Has(home))
	e, ok := o.list.Kept(home)
	require.True(t, ok)
	require.Equal(t, "asked for by admin@me.test", e.Reason)
	require.WithinDuration(t, time.Now(), e.Since, time.Minute)

	user.write(t, "include me.test")
	require.Contains(t, user.read(t), "Not done: me.test was not excluded at the request of user@me.test")
	require.True(t, o.list.Has(home))

	asked := o.srv.Home().Requests()
	admin.write(t, "exclude me.test")
	require.Contains(t, admin.read(t), "me.test is excluded")
	user.write(t, "exclude me.test")
	require.Contains(t, user.read(t), "Not done: user@me.test was not found among the contact addresses")
	require.Equal(t, asked, o.srv.Home().Requests(), "who is excluded is not asked")

	admin.write(t, "include me.test")
	require.Contains(t, admin.read(t), "no longer excluded")
	require.False(t, o.list.Has(home))

	var done []bool
	for _, r := range o.requests() {
		done = append(done, r.Done)
		require.Equal(t, "me.test", r.Domain)
	}
	require.Equal(t, []bool{false, true, false, true, false, true}, done)
}

// The domain itself needs to be listed nowhere, and a user of it is not the domain.
func TestItself(t *testing.T) {
	o := open(t, nil)
	d := o.domain(t, "shy.me.test")
	shy := xep.MustName("shy.me.test")
	d.write(t, "exclude shy.me.test")
	require.Contains(t, d.read(t), "shy.me.test is excluded")
	require.True(t, o.list.Has(shy))
	d.from = jid.MustParse("somebody@shy.me.test")
	d.write(t, "include shy.me.test")
	require.Contains(t, d.read(t), "Not done")
	require.True(t, o.list.Has(shy))
	d.from = jid.MustParse("shy.me.test")
	d.write(t, "exclude other.me.test")
	require.Contains(t, d.read(t), "Not done")
	d.write(t, "include shy.me.test")
	require.Contains(t, d.read(t), "no longer excluded")
}

// What the operator has excluded stays excluded, and a stranger is told the same as about any other domain.
func TestOperatorsExclusions(t *testing.T) {
	o := open(t, nil)
	require.NoError(t, o.list.Add(t.Context(), store.Exclusion{Domain: home, Reason: "spam"}))
	admin := o.user(t, "admin")
	admin.write(t, "include me.test")
	require.Contains(t, admin.read(t), "Not done")
	admin.write(t, "exclude me.test")
	excluded := admin.read(t)
	admin.write(t, "exclude unknown.test")
	require.Equal(t, excluded, strings.ReplaceAll(admin.read(t), "unknown.test", "me.test"))
	require.Zero(t, o.srv.Home().Requests())
}

// A room that a domain lists passes on what strangers write into an invitation.
func TestRoomsDoNotSpeak(t *testing.T) {
	o := open(t, nil)
	room := o.domain(t, "rooms.me.test")
	room.from = jid.MustParse("room@rooms.me.test")
	room.write(t, "exclude me.test", xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: "http://jabber.org/protocol/muc#user", Local: "x"}}))
	// Not even without its mark, since the domain lists it as a room.
	room.write(t, "exclude me.test")
	require.Contains(t, room.read(t), "Not done")
	require.Len(t, o.requests(), 1)
	require.False(t, o.list.Has(home))
}

func TestHelpOnce(t *testing.T) {
	o := open(t, nil)
	user := o.user(t, "user")
	user.write(t, "hello")
	require.Contains(t, user.read(t), "The operator is mailto:ops@example.org.")
	user.write(t, "please exclude me.test")
	user.write(t, "exclude me.test")
	require.Contains(t, user.read(t), "Not done")
	require.Len(t, o.requests(), 1)
}

func TestTooMany(t *testing.T) {
	o := open(t, nil)
	user := o.user(t, "user")
	for range perHourSender + 3 {
		user.write(t, "include me.test")
	}
	var texts []string
	for range perHourSender + 1 {
		texts = append(texts, user.read(t))
	}
	require.Contains(t, strings.Join(texts, "\n"), "Too many requests")
	require.Len(t, o.requests(), perHourSender)
}

// What can't be kept is not promised.
func TestNotKept(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Service)
		want   string
	}{
		"no database":   {func(s *Service) { s.List = &exclusion.List{Logger: quiet} }, "keeps no list of exclusions"},
		"database gone": {func(s *Service) { s.List = &exclusion.List{Keeper: &shelf{err: store.ErrUnavailable}, Logger: quiet} }, "a fault on this side"},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t, tc.change)
			admin := o.user(t, "admin")
			admin.write(t, "exclude me.test")
			require.Contains(t, admin.read(t), tc.want)
			require.False(t, o.requests()[0].Done)
		})
	}
}
