package connect

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// link is one connection that is ready for stanzas, from then to its end.
type link struct {
	s     *Session
	cfg   *Config
	ns    string
	from  string // set as the sender of stanzas without one; empty for clients
	local jid.JID
	w     *wire
	head  *xmlscan.Scanner
	out   *outbox
	in    *inbox
	own   []jid.JID // addresses of the own server
	born  time.Time

	mu      sync.Mutex
	waiters map[string]waiter
	pingID  string

	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	unhook func() bool // detaches the connection from the session's end
	once   sync.Once
	err    error // set before ctx ends
	work   sync.WaitGroup
	scan   *xmlscan.Scanner // the reader's own
}

// waiter is a request in flight.
type waiter struct {
	to      jid.JID
	reply   chan result
	spoofed error // what a stranger answered
}

type result struct {
	raw []byte
	err error
}

// newLink takes a connection over from its negotiation and starts serving it.
func newLink(s *Session, n *negotiation) (*link, error) {
	l := &link{
		s: s, cfg: &s.cfg, ns: n.ns, local: n.local, w: n.w, head: n.header,
		out: newOutbox(), born: time.Now(), waiters: make(map[string]waiter),
	}
	if n.ns != nsClient {
		l.from = n.local.String()
	}
	l.scan = l.scanner(nil)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.w.idle = l.cfg.IdleTimeout
	l.w.bytes = &s.counters[cBytesIn]
	l.w.framer.SetLimits(xmlscan.FrameLimits{Bytes: l.cfg.MaxBytes, Depth: l.cfg.MaxDepth})
	l.in = newInbox(l.cfg.MaxWaiting, l.cfg.MaxBytes)
	l.own = ownServer(l.local, l.from != "")

	session, err := xmpp.NewSession(context.Background(), l.local.Domain(), l.local, newGuard(l, n.rawHeader), xmpp.Secure|xmpp.Authn, l.adopt)
	if err != nil {
		l.cancel()
		return nil, fmt.Errorf("connect: %w", err)
	}
	l.unhook = context.AfterFunc(s.ctx, func() { l.fail(ErrClosed) })
	l.work.Go(l.read)
	l.work.Go(l.write)
	l.work.Go(l.keepAlive)
	// The handler may be slow to return; that must not delay a new connection.
	s.handlers.Go(func() {
		err := session.Serve(l.wrap(l.cfg.Handler))
		if l.ctx.Err() == nil {
			l.fail(fmt.Errorf("connect: mellium stopped serving: %w", errors.Join(err, ErrDisconnected)))
		}
	})
	return l, nil
}

// adopt tells mellium that all is negotiated, once it has read the stream's header.
func (l *link) adopt(_ context.Context, in, out *stream.Info, s *xmpp.Session, _ interface{}) (xmpp.SessionState, io.ReadWriter, interface{}, error) {
	r := s.TokenReader()
	defer r.Close()
	for {
		tok, err := r.Token()
		if err != nil {
			return 0, nil, nil, err
		}
		if start, ok := tok.(xml.StartElement); ok {
			in.Name, out.Name = start.Name, start.Name
			in.XMLNS, out.XMLNS = l.ns, l.ns
			return xmpp.Ready, nil, nil, nil
		}
	}
}

// fail ends the connection; only the first reason counts.
func (l *link) fail(err error) {
	l.once.Do(func() {
		l.err = err
		l.cancel()
		l.in.close()
		l.out.close()
		_ = l.w.conn.Close()
	})
}

func (l *link) read() {
	for {
		frame, err := l.w.next()
		if err != nil {
			l.fail(readError(err))
			return
		}
		if err := l.receive(frame); err != nil {
			l.fail(err)
			return
		}
	}
}

// readError says what the end of reading means.
func readError(err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("connect: connection closed by the server: %w", ErrDisconnected)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("connect: server silent for too long: %w", ErrDisconnected)
	}
	return fmt.Errorf("connect: reading: %w: %w", ErrDisconnected, err)
}

func (l *link) write() {
	err := l.out.run(l.w.conn, l.cfg.WriteTimeout, func(n int) { l.s.counters[cBytesOut].Add(uint64(n)) })
	l.fail(fmt.Errorf("connect: writing: %w: %w", ErrDisconnected, err))
}

// keepAlive asks the server for a sign of life whenever it has been silent (XEP-0199).
func (l *link) keepAlive() {
	timer := time.NewTimer(l.cfg.KeepAlive)
	defer timer.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-timer.C:
		}
		silent := time.Since(time.Unix(0, l.w.heard.Load()))
		if silent < l.cfg.KeepAlive {
			timer.Reset(l.cfg.KeepAlive - silent)
			continue
		}
		l.ping()
		timer.Reset(l.cfg.KeepAlive)
	}
}

// ping asks the server of a client; a component asks itself, which its server must relay, as it knows no other address
// that is sure to answer.
func (l *link) ping() {
	id := rand.Text()
	l.mu.Lock()
	l.pingID = id
	l.mu.Unlock()
	l.s.counters.add(cPings)
	iq := l.appendIQ(nil, stanza.IQ{Type: stanza.GetIQ, To: l.local.Domain()}, id, []byte("<ping xmlns='urn:xmpp:ping'/>"))
	l.out.tryAdd(iq)
}

// appendIQ appends a whole request.
func (l *link) appendIQ(dst []byte, iq stanza.IQ, id string, payload []byte) []byte {
	dst = append(dst, "<iq type='"...)
	dst = append(xmlscan.AppendEscaped(dst, string(iq.Type)), '\'')
	dst = xmlscan.AppendAttr(dst, "id", id)
	switch {
	case !iq.From.Equal(jid.JID{}):
		dst = xmlscan.AppendAttr(dst, "from", iq.From.String())
	case l.from != "":
		dst = xmlscan.AppendAttr(dst, "from", l.from)
	}
	if !iq.To.Equal(jid.JID{}) {
		dst = xmlscan.AppendAttr(dst, "to", iq.To.String())
	}
	dst = append(dst, '>')
	dst = append(dst, payload...)
	return append(dst, "</iq>"...)
}

// exchange sends a request and waits for the reply, the end of ctx or the end of the connection.
func (l *link) exchange(ctx context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	id := iq.ID
	if id == "" {
		// Ids must not be guessed: whoever could, might answer for another.
		id = rand.Text()
	}
	w := waiter{to: iq.To, reply: make(chan result, 1)}
	if !l.register(id, w) {
		return nil, fmt.Errorf("connect: a request with the id %q is in flight already", id)
	}
	defer l.forget(id)
	req := l.appendIQ(make([]byte, 0, len(payload)+256), iq, id, payload)
	if len(req) > l.cfg.MaxSend {
		return nil, fmt.Errorf("connect: request of %d bytes: %w", len(req), ErrTooLarge)
	}
	if err := l.out.add(ctx, req); err != nil {
		return nil, err
	}
	l.s.counters.add(cStanzasOut)
	l.s.counters.add(cRequests)
	select {
	case res := <-w.reply:
		return res.raw, res.err
	case <-ctx.Done():
		return nil, l.unanswered(id, ctx.Err())
	case <-l.ctx.Done():
		return nil, l.err
	}
}

func (l *link) register(id string, w waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, taken := l.waiters[id]; taken {
		return false
	}
	l.waiters[id] = w
	return true
}

func (l *link) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiters, id)
}

// answer hands the outcome to the request with the given id, and reports whether there was one.
// The bytes are copied for the one who waits; only it pays for what they hold, and a reply that nobody waits for is free.
func (l *link) answer(id, from string, res result) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, ok := l.waiters[id]
	switch {
	case !ok && id != "" && id == l.pingID:
		return true
	case !ok:
		l.s.counters.add(cLate)
		return false
	case !roundtrip.SameSender(w.to, from, l.local):
		l.s.counters.add(cSpoofed)
		l.s.log.drop("reply from another address", from)
		res = result{err: fmt.Errorf("connect: answered by %q: %w", printable(from, maxLogged), roundtrip.ErrWrongFrom)}
		if !related(w.to, from) {
			// A stranger may not end what another is asked; but if nothing better comes, this is worth telling.
			w.spoofed = res.err
			l.waiters[id] = w
			return true
		}
	case res.err == nil:
		l.s.counters.add(cReplies)
		res.raw = bytes.Clone(res.raw)
	}
	delete(l.waiters, id)
	w.reply <- res
	return true
}

// related reports whether a reply's sender can be expected to be in league with the addressee: the own server, which
// alone may leave the sender out, or a host of the same domain.
func related(to jid.JID, from string) bool {
	if from == "" {
		return true
	}
	_, b, _, err := jid.SplitString(from)
	a := to.Domainpart()
	return err == nil && (a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a))
}

// unanswered adds what is known about why a request has no reply.
func (l *link) unanswered(id string, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.waiters[id]; w.spoofed != nil {
		return fmt.Errorf("%w: %w", err, w.spoofed)
	}
	return err
}

// send checks and sends one stanza that others have written.
func (l *link) send(ctx context.Context, b []byte) error {
	b, err := l.prepare(b)
	if err != nil {
		return err
	}
	if len(b) > l.cfg.MaxSend {
		return fmt.Errorf("connect: stanza of %d bytes: %w", len(b), ErrTooLarge)
	}
	if err := l.out.add(ctx, b); err != nil {
		return err
	}
	l.s.counters.add(cStanzasOut)
	return nil
}

// prepare refuses what would break the stream, and fills a component's address in.
func (l *link) prepare(b []byte) ([]byte, error) {
	s := xmlscan.New(b, xmlscan.Limits{})
	s.Inherit(l.head)
	if !s.Next() {
		return nil, fmt.Errorf("connect: stanza to send: %w", s.Err())
	}
	name := s.Local()
	_, sender := s.Attr("from")
	for s.Next() {
		if s.Kind() == xmlscan.Start && s.Space() == stream.NS {
			return nil, errors.New("connect: stanza to send holds an element of the stream's namespace")
		}
	}
	if s.Err() != nil {
		return nil, fmt.Errorf("connect: stanza to send: %w", s.Err())
	}
	if sender || l.from == "" || (name != "iq" && name != "message" && name != "presence") {
		return b, nil
	}
	after := len("<") + len(name)
	if len(b) < after || string(b[1:after]) != name {
		return nil, errors.New("connect: stanza to send has a prefixed name")
	}
	out := append(make([]byte, 0, len(b)+len(l.from)+16), b[:after]...)
	return append(xmlscan.AppendAttr(out, "from", l.from), b[after:]...), nil
}
