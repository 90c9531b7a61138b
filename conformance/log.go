package conformance

import (
	"context"
	"encoding/xml"
	"strings"
	"sync"
	"unicode"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

// maxLogged is where a stanza is cut in the log.
const maxLogged = 64 << 10

// maxStanzas is how many stanzas of a step the log keeps, the latest ones.
const maxStanzas = 200

// step is one thing that is asked of a live domain, and the part of the log where that is.
type step int

const (
	stepInfo         step = iota // disco#info of the domain
	stepItems                    // the way to the default node
	stepService                  // disco#info of the service
	stepServiceItems             // disco#items of the service
	stepNode                     // disco#info of the node
	stepNodeItems                // disco#items of the node
	stepFetch                    // the item
	stepPeers                    // disco#info of the named peers
	stepPublisher                // what a publisher under test sent and got
)

// Session carries the questions of a run.
//
// *xmpp.Session and *connect.Session have the method, and so can a server's own router.
// It must be safe for concurrent use and give up when ctx ends.
type Session interface {
	SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error)
}

// tap is a session that keeps a log of another.
type tap struct {
	Session
	mu   sync.Mutex
	step step
	log  map[step][]Stanza
}

// byteTap is a tap of a session that answers with bytes, the power that package roundtrip looks for.
type byteTap struct{ *tap }

// newTap returns the log and the session to use, with the same powers as the one given.
func newTap(s Session) (*tap, Session) {
	t := &tap{Session: s, log: make(map[step][]Stanza)}
	if _, ok := s.(roundtrip.Exchanger); ok {
		return t, byteTap{t}
	}
	return t, t
}

// at says what the following requests are for.
func (t *tap) at(s step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.step = s
}

// LocalAddr is the session's own address, zero where it does not tell.
func (t *tap) LocalAddr() jid.JID {
	if a, ok := t.Session.(interface{ LocalAddr() jid.JID }); ok {
		return a.LocalAddr()
	}
	return jid.JID{}
}

// AcquireIQ passes the session's own limit on; a run has few requests in flight, and needs none of its own.
func (t *tap) AcquireIQ(ctx context.Context, to jid.JID) (release func(), err error) {
	if l, ok := t.Session.(roundtrip.Limited); ok {
		return l.AcquireIQ(ctx, to)
	}
	return func() {}, nil
}

// ExchangeIQ implements roundtrip.Exchanger.
func (t byteTap) ExchangeIQ(ctx context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	reply, err := t.Session.(roundtrip.Exchanger).ExchangeIQ(ctx, iq, payload)
	t.note(iq.To.String(), string(payload), string(reply), err)
	return reply, err
}

// SendIQElement implements [Session]. The reply goes through memory, as the one who waits for it would have it anyway.
func (t *tap) SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error) {
	request, err := roundtrip.AppendElement(nil, payload, roundtrip.DefaultMaxBytes)
	if err != nil {
		return nil, err
	}
	again, err := roundtrip.Tokens(request)
	if err != nil {
		return nil, err
	}
	reply, err := t.Session.SendIQElement(ctx, again, iq)
	if err != nil || reply == nil {
		t.note(iq.To.String(), string(request), "", err)
		return reply, err
	}
	return &loggedReply{TokenReadCloser: reply, done: func(raw []byte) { t.note(iq.To.String(), string(request), string(raw), nil) }}, nil
}

// loggedReply copies what is read of a reply, and hands the copy over when that is closed.
type loggedReply struct {
	xmlstream.TokenReadCloser
	seen roundtrip.Writer
	bad  bool
	done func(raw []byte)
}

// Token implements xml.TokenReader.
func (l *loggedReply) Token() (xml.Token, error) {
	tok, err := l.TokenReadCloser.Token()
	if tok != nil && !l.bad && len(l.seen.Bytes()) < maxLogged {
		l.bad = l.seen.EncodeToken(xml.CopyToken(tok)) != nil
	}
	return tok, err
}

// Close implements io.Closer.
func (l *loggedReply) Close() error {
	l.done(l.seen.Bytes())
	return l.TokenReadCloser.Close()
}

func (t *tap) note(with, request, reply string, err error) {
	answer := Stanza{With: with, XML: cut(reply)}
	if err != nil {
		answer.Error = err.Error()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	all := append(t.log[t.step], Stanza{Sent: true, With: with, XML: cut(request)}, answer)
	t.log[t.step] = all[max(0, len(all)-maxStanzas):]
}

// stanzas returns what the log has of some steps.
func (e *evidence) stanzas(uses []step) []Stanza {
	if e.tap == nil {
		return nil
	}
	e.tap.mu.Lock()
	defer e.tap.mu.Unlock()
	var out []Stanza
	for _, s := range uses {
		out = append(out, e.tap.log[s]...)
	}
	return out
}

func cut(s string) string {
	if len(s) <= maxLogged {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:maxLogged], "") + "…"
}

// maxMessage is the greatest length of a message in characters.
const maxMessage = 600

// printable makes what a stranger may have sent harmless on a terminal.
func printable(s string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		switch n++; {
		case n == maxMessage:
			return '…'
		case n > maxMessage:
			return -1
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
