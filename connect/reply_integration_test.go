//go:build integration

package connect_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	mellium "mellium.im/xmpp/disco"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// hostileReply is an answer and what it does to mellium.
type hostileReply struct{ name, typ, inner string }

// mustBe returns what becomes of mellium by way of servers of any version, empty if that may vary.
func (r hostileReply) mustBe(route string) string {
	switch {
	case r.name == "result with an element of the streams namespace":
		return "the session ends"
	case route == "Prosody to Prosody" && strings.HasPrefix(r.name, "result with text"):
		return "panic in the caller"
	}
	return ""
}

// hostileReplies are what a stranger answers a request of ours for disco#info with.
func hostileReplies() []hostileReply {
	const query = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
	wrap := func(inner string) string {
		return "<query xmlns='http://jabber.org/protocol/disco#info'>" + inner + "</query>"
	}
	return []hostileReply{
		{"error with text before the error element", "error", "x<error type='cancel'/>"},
		{"error with white space before the error element", "error", "\n<error type='cancel'/>"},
		{"error after the echoed request", "error", query + "<error type='cancel'/>"},
		{"error without a child", "error", ""},
		{"result with white space before the payload", "result", "\n" + query},
		{"result with text before the payload", "result", "x" + query},
		{"result with text only", "result", "x"},
		{"result without a child", "result", ""},
		{"result with an element of the streams namespace", "result", wrap("<features xmlns='" + stream.NS + "'/>")},
		{"result with an error of the streams namespace, deep", "result", wrap("<a><b><error xmlns='" + stream.NS + "'/></b></a>")},
		{"error with an element of the streams namespace", "error", "<error type='cancel'><error xmlns='" + stream.NS + "'/></error>"},
		{"result with an attribute of 40 KB", "result", wrap("<feature var='" + strings.Repeat("x", relayedBytes) + "'/>")},
		{"result nested 1,000 deep", "result", wrap(strings.Repeat("<a>", relayedDepth) + strings.Repeat("</a>", relayedDepth))},
		{"result of another namespace", "result", "<query xmlns='urn:example:q'/>"},
		{"result with two payloads", "result", query + query},
	}
}

// TestRelayedReplies has a stranger at one brand of server answer requests of sessions at the other.
// The golden file says what becomes of mellium's helper and session, and what each of ours makes of the answer.
func TestRelayedReplies(t *testing.T) {
	lab := integration.Shared(t)
	all := brands(lab)
	got := versions(t, lab)
	for _, route := range []route{
		{"Prosody to ejabberd", all[0], all[1], "comp." + lab.Prosody.Domain()},
		{"ejabberd to Prosody", all[1], all[0], "comp." + lab.Ejabberd.Domain()},
		{"Prosody to Prosody", brand{"Prosody", lab.Quiet}, all[0], "comp." + lab.Quiet.Domain()},
		{"within ejabberd", all[1], all[1], "comp." + lab.Ejabberd.Domain()},
	} {
		t.Run(route.name, func(t *testing.T) {
			evil, to := newStranger(t, route.from, route.attacker), route.to
			var sessions []*connect.Session
			for _, role := range realRoles {
				cfg := role.config(lab, to)
				cfg.MaxBytes = ourBytes
				sessions = append(sessions, openReal(t, role.dial, cfg))
			}
			got += fmt.Sprintf("# %s\n", route.name)
			for _, r := range hostileReplies() {
				how := askUnguarded(t, evil, to, replyFunc(evil.name, r.typ, r.inner))
				got += fmt.Sprintf("%s: %s", r.name, how)
				if want := r.mustBe(route.name); want != "" {
					require.Equal(t, want, how, r.name)
				}
				evil.setAnswer(replyFunc(evil.name, r.typ, r.inner))
				for i, s := range sessions {
					got += fmt.Sprintf("; %s: %s", realRoles[i].name, askGuarded(t, s, evil, to))
				}
				got += "\n"
			}
			for _, s := range sessions {
				c := s.Counters()
				require.EqualValues(t, 1, c.Connects)
				require.Zero(t, c.Losses)
				require.Positive(t, c.DroppedSize)
				require.Positive(t, c.DroppedDepth)
			}
		})
	}
	goldenOf(t, "relayed-replies.txt", got)
}

// replyFunc makes answers of one kind to whoever asks.
func replyFunc(name, typ, inner string) func(id, from string) string {
	return func(id, from string) string {
		iq := xmlscan.AppendAttr([]byte("<iq"), "type", typ)
		iq = xmlscan.AppendAttr(xmlscan.AppendAttr(iq, "id", id), "from", name)
		return string(xmlscan.AppendAttr(iq, "to", from)) + ">" + inner + "</iq>"
	}
}

// askUnguarded asks with mellium's helper over a session of mellium's, and says how that ends.
func askUnguarded(t *testing.T, evil *stranger, to brand, answer func(id, from string) string) string {
	t.Helper()
	v := newVictim(t, to, "reporter", evil)
	defer v.close()
	evil.setAnswer(answer)
	defer evil.setAnswer(nil)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	stop := make(chan struct{})
	defer func() { cancel(); <-stop }()
	go func() {
		defer close(stop)
		select {
		case <-v.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	how := getInfo(ctx, v, evil.name)
	if how == "panic in the caller" {
		return how
	}
	ping, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	go func() {
		select {
		case <-v.ended:
			done()
		case <-ping.Done():
		}
	}()
	if _, _, err := evil.ping(ping, v.session.LocalAddr().String()); err != nil {
		if v.dead() {
			return "the session ends"
		}
		return "the session hangs"
	}
	return how
}

func getInfo(ctx context.Context, v *victim, from string) (how string) {
	defer func() {
		if p := recover(); p != nil {
			how = "panic in the caller"
		}
	}()
	// ejabberd ends the stream of a component that names no sender.
	iq := stanza.IQ{From: v.session.LocalAddr(), To: jid.MustParse(from)}
	if _, err := mellium.GetInfoIQ(ctx, "", iq, v.session); err != nil {
		return "an error"
	}
	return "answered"
}

// askGuarded asks over a session of ours, and shows that it can ask others afterwards.
func askGuarded(t *testing.T, s *connect.Session, evil *stranger, to brand) string {
	t.Helper()
	_, err := disco.GetInfo(testContext(t), s, jid.MustParse(evil.name), "")
	_, honest := disco.GetInfo(testContext(t), s, jid.MustParse(to.Domain()), "")
	require.NoError(t, honest)
	switch {
	case err == nil:
		return "answered"
	case errors.Is(err, roundtrip.ErrTooLarge):
		return "too large"
	case errors.Is(err, roundtrip.ErrMalformed):
		return "malformed"
	case errors.As(err, new(*roundtrip.Error)):
		return "an error reply"
	}
	require.NoError(t, err, "not a typed error of the reply")
	return ""
}
