//go:build integration

package connect_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
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
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/integration"
)

// What real servers relay is bounded, and so are the limits of the sessions here.
const (
	relayedBytes = 40 << 10
	relayedDepth = 1000
	ourBytes     = 32 << 10
)

// relayable are the attacks of the other tests from one sender, those beyond every server's limits made smaller.
func relayable(from, to string) []struct{ name, xml string } {
	var out []struct{ name, xml string }
	smaller := strings.NewReplacer("5 MB", "40 KB", "200,000", "1,000")
	for _, a := range attacksOf(from, to, relayedBytes, relayedDepth) {
		x := a.XML
		if strings.HasPrefix(x, "<message from=") && !strings.Contains(x, " to=") {
			x = strings.Replace(x, "<message", "<message to='"+to+"'", 1)
		}
		if strings.HasPrefix(x, "<zork") || strings.Contains(x, "'urn:example:z'") {
			x = strings.Replace(x, " from=", " to='"+to+"' from=", 1)
		}
		out = append(out, struct{ name, xml string }{smaller.Replace(a.Name), x})
	}
	return out
}

// tap keeps what a connection has yielded.
type tap struct {
	net.Conn
	mu   sync.Mutex
	seen []byte
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, p[:n]...)
	return n, err
}

func (c *tap) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = nil
}

// before returns what came before the stanza with the given id, all there is if that has not come.
func (c *tap) before(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := string(c.seen)
	if i := strings.Index(seen, id); i >= 0 {
		seen = seen[:strings.LastIndex(seen[:i], "<iq")]
	}
	return strings.TrimSpace(seen)
}

// victim is a component session of mellium's own, which nothing protects.
type victim struct {
	session *xmpp.Session
	conn    *tap
	ended   chan struct{}
	how     string // set before ended is closed
}

// newVictim connects and waits until the stranger's pings are answered.
func newVictim(t *testing.T, b brand, name string, from *stranger) *victim {
	t.Helper()
	ctx := testContext(t)
	me := jid.MustParse(name + "." + b.Domain())
	v := &victim{ended: make(chan struct{})}
	for v.session == nil {
		conn, err := net.Dial("tcp", b.Component())
		require.NoError(t, err)
		v.conn = &tap{Conn: conn}
		v.session, err = component.NewSession(ctx, me, []byte(integration.Secret), v.conn)
		if err != nil {
			// The server may not have noticed yet that the last victim is gone.
			v.session = nil
			conn.Close()
			select {
			case <-ctx.Done():
				require.NoError(t, err)
			case <-time.After(pause):
			}
		}
	}
	go v.serve()
	from.reach(t, me.String())
	v.conn.forget()
	return v
}

func (v *victim) serve() {
	defer close(v.ended)
	defer func() {
		if p := recover(); p != nil {
			v.how = "panic"
		}
	}()
	err := v.session.Serve(mux.New(component.NSAccept, ping.Handle()))
	v.how = fmt.Sprint(err)
}

func (v *victim) dead() bool {
	select {
	case <-v.ended:
		return true
	default:
		return false
	}
}

func (v *victim) close() {
	v.conn.Close()
	<-v.ended
}

// reach pings until there is an answer of the address's own.
func (s *stranger) reach(t *testing.T, to string) {
	t.Helper()
	s.reachUnless(t, to, nil)
}

// reachUnless is reach that also returns once gone is closed.
func (s *stranger) reachUnless(t *testing.T, to string, gone <-chan struct{}) {
	t.Helper()
	for begin := time.Now(); ; {
		if s.dead() {
			s.revive(t)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		typ, _, err := s.ping(ctx, to)
		cancel()
		if err == nil && typ == "result" {
			return
		}
		require.Less(t, time.Since(begin), 2*patience, "%s does not answer: %q, %v", to, typ, err)
		select {
		case <-gone:
			return
		case <-time.After(pause):
		}
	}
}

// What can become of an attack.
const (
	streamClosed = "the attacker's server ends its stream"
	notRelayed   = "not relayed"
	deadly       = "relayed, ends the session"
	harmless     = "relayed, survived"
	disarmed     = "relayed in a harmless form"
)

// strike says what becomes of an attack on a victim, and what of it arrived there.
func (s *stranger) strike(t *testing.T, v *victim, xml string) (how, seen string) {
	t.Helper()
	v.conn.forget()
	s.write(xml)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		select {
		case <-v.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	to := v.session.LocalAddr().String()
	typ, id, err := s.ping(ctx, to)
	// Nothing but the victim's end makes an answer fail to come.
	cancel()
	<-stop
	switch {
	case v.dead():
		return deadly, v.conn.before(id)
	case errors.Is(err, errStreamEnded):
		if s.reachUnless(t, to, v.ended); v.dead() {
			return deadly, v.conn.before(id)
		}
		return streamClosed, ""
	case err != nil:
		require.NoError(t, err, "neither an answer nor an end")
	case typ != "result":
		// One server has ended its stream to the other, or the victim's own knows before us that it has gone.
		if s.reachUnless(t, to, v.ended); v.dead() {
			return deadly, v.conn.before(id)
		}
	}
	if seen = v.conn.before(id); relayed(seen) {
		return harmless, seen
	}
	return notRelayed, ""
}

// relayed tells an attack from what servers say themselves about the victim's answers.
func relayed(seen string) bool {
	return seen != "" && !strings.Contains(seen, "<remote-server-")
}

// route is a way from an attacker to sessions.
type route struct {
	name     string
	from, to brand
	attacker string // the component's name at from
}

// TestRelayedAttacks sends every attack from a component of one brand of server to sessions at the other.
//
// What is relayed must end mellium's session if it does so in process too, and ours must survive everything.
// Stock servers let a component use no other domain than its own; so that hostile domains come into it, there is also a
// server that does, as some do for gateways.
// The golden file says what the servers relay; other versions of theirs may differ.
func TestRelayedAttacks(t *testing.T) {
	lab := integration.Shared(t)
	all := brands(lab)
	lab.Prosody.Configure(t, func(c *integration.ProsodyConfig) { c.Extra = "validate_from_addresses = false" })
	defer lab.Prosody.Configure(t, func(c *integration.ProsodyConfig) { c.Extra = "" })
	routes := []route{
		{"Prosody to ejabberd", all[0], all[1], "comp." + lab.Prosody.Domain()},
		{"ejabberd to Prosody", all[1], all[0], "comp." + lab.Ejabberd.Domain()},
		{"Prosody that trusts components", all[0], all[0], "crawler." + lab.Prosody.Sibling()},
	}
	lethal := lethalInProcess(t)
	outcomes := make([]strings.Builder, len(routes))
	for i, r := range routes {
		t.Run(r.name, func(t *testing.T) {
			evil := newStranger(t, r.from, r.attacker)
			fmt.Fprintf(&outcomes[i], "# %s\n", r.name)
			found := strikeAll(t, evil, r.to, lethal)
			for _, a := range relayable("", "") {
				fmt.Fprintf(&outcomes[i], "%s: %s\n", a.name, found[a.name])
			}
			for _, role := range realRoles {
				t.Run(role.name, func(t *testing.T) {
					cfg := role.config(lab, r.to)
					cfg.MaxBytes = ourBytes
					survive(t, evil, role.dial, cfg, r, found)
				})
			}
		})
	}
	got := versions(t, lab)
	for i := range outcomes {
		got += outcomes[i].String()
	}
	goldenOf(t, "relayed.txt", got)
}

// lethalInProcess reads which attacks end an unguarded component session without servers between.
func lethalInProcess(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "lethal.txt"))
	require.NoError(t, err)
	_, list, ok := strings.Cut(string(b), "# "+component.NSAccept+"\n")
	require.True(t, ok)
	out := make(map[string]bool)
	for name := range strings.Lines(list) {
		out[strings.TrimSpace(name)] = true
	}
	return out
}

// strikeAll finds out what the servers relay and what that does to mellium's session.
func strikeAll(t *testing.T, evil *stranger, to brand, lethal map[string]bool) map[string]string {
	t.Helper()
	found := make(map[string]string)
	v := newVictim(t, to, "reporter", evil)
	defer func() { v.close() }()
	count := make(map[string]int)
	for _, a := range relayable(evil.name, v.session.LocalAddr().String()) {
		how, seen := evil.strike(t, v, a.xml)
		if how == harmless && lethal[a.name] {
			// Servers normalise addresses, for one.
			require.True(t, newBare(t, component.NSAccept, true).survives(t, seen), a.name)
			how = disarmed
		}
		found[a.name] = how
		count[how]++
		if how == deadly {
			require.True(t, lethal[a.name], "%s: ends the session here only: %s", a.name, v.how)
			v.close()
			v = newVictim(t, to, "reporter", evil)
		}
	}
	t.Logf("%v", count)
	// Whatever else changes, these are relayed by every server there is.
	for _, name := range []string{
		"message from local part snowman",
		"message with error of the streams namespace",
		"message with features, deep of the streams namespace",
	} {
		require.Equal(t, deadly, found[name], name)
	}
	return found
}

// survive shows that none of the attacks costs one of our sessions more than the attack itself.
func survive(t *testing.T, evil *stranger, dial dialler, cfg connect.Config, r route, found map[string]string) {
	t.Helper()
	heard := make(chan string, 10_000)
	handler := mux.New(component.NSAccept, ping.Handle())
	if cfg.Secret == "" {
		handler = mux.New(stanza.NSClient, ping.Handle())
	}
	cfg.Handler = xmpp.HandlerFunc(func(r xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		if start.Name.Local == "message" {
			heard <- xmlAttr(*start, "id")
		}
		return handler.HandleXMPP(r, start)
	})
	s := openReal(t, dial, cfg)
	me := s.LocalAddr().String()
	evil.reach(t, me)
	before := s.Counters()
	for i, a := range relayable(evil.name, me) {
		was := s.Counters()
		evil.write(a.xml)
		evil.mark(t, me, "mark"+strconv.Itoa(i), heard)
		_, err := disco.GetInfo(testContext(t), s, jid.MustParse(r.to.Domain()), "")
		require.NoError(t, err, a.name)
		now := s.Counters()
		if cfg.Secret != "" && found[a.name] == deadly {
			require.Greater(t, now.Dropped+now.Late, was.Dropped+was.Late, a.name)
		}
	}
	// An honest peer beyond the own server still gets and gives answers.
	evil.reach(t, me)
	_, err := disco.GetInfo(testContext(t), s, jid.MustParse(r.from.Domain()), "")
	require.NoError(t, err)

	c := s.Counters()
	require.EqualValues(t, 1, c.Connects, "the connection is still the first")
	require.Zero(t, c.Losses)
	for what, n := range map[string]uint64{
		"size": c.DroppedSize - before.DroppedSize, "depth": c.DroppedDepth - before.DroppedDepth,
		"stream": c.DroppedStream - before.DroppedStream, "address": c.DroppedAddress - before.DroppedAddress,
		"late": c.Late - before.Late,
	} {
		require.Positive(t, n, what)
	}
	t.Logf("%+v", c)
}

// mark sends messages until one with the given id has arrived: whatever was sent before that has been dealt with.
func (s *stranger) mark(t *testing.T, to, id string, heard <-chan string) {
	t.Helper()
	limit := time.After(2 * patience)
	for {
		if s.dead() {
			s.revive(t)
		}
		s.write("<message id='" + id + "' from='" + s.name + "' to='" + to + "'><body>x</body></message>")
		again := time.After(2 * time.Second)
		for waiting := true; waiting; {
			select {
			case got := <-heard:
				if got == id {
					return
				}
			case <-s.ended:
				waiting = false
			case <-again:
				waiting = false
			case <-limit:
				require.FailNow(t, "the message never came", id)
			}
		}
	}
}

// versions names the servers whose behaviour a golden file records.
func versions(t *testing.T, lab *integration.Lab) string {
	t.Helper()
	out := ""
	for _, b := range brands(lab) {
		s, err := connect.Component(testContext(t), realRoles[1].config(lab, b))
		require.NoError(t, err)
		out += "# " + software(t, s, b.Domain()) + "\n"
		// ejabberd would let a second one of the same name in and share the stanzas out.
		require.NoError(t, s.Close())
	}
	return out
}

// goldenOf compares with a golden file of the same versions of servers.
func goldenOf(t *testing.T, name, got string) {
	t.Helper()
	head := func(s string) string { return strings.Join(strings.SplitN(s, "\n", 3)[:2], "\n") }
	want, err := os.ReadFile(filepath.Join("testdata", name))
	if !*update && err == nil && head(string(want)) != head(got) {
		t.Logf("not compared with the record of other versions:\n%s", got)
		return
	}
	golden(t, name, got)
}
