package roundtrip_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"strings"
	"sync"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

// router stands for what a server has to deliver stanzas among its own users, components and other servers.
type router struct {
	mu      sync.Mutex
	pending map[string]chan string
	nextID  int
}

// expect returns a new id, and the channel that its reply will come through.
func (r *router) expect() (id string, reply <-chan string, forget func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nextID++
	id = fmt.Sprint("own-", r.nextID)
	c := make(chan string, 1)
	r.pending[id] = c
	return id, c, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.pending, id)
	}
}

// route delivers a stanza; here, a stand-in for the other end answers at once.
func (r *router) route(id, to, _ string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending[id] <- "<iq type='result' id='" + id + "' from='" + to + "'><query xmlns='jabber:iq:version'><name>Prosody</name></query></iq>"
}

// SendIQElement is all that a server's own router needs, to have this module's roles run on it.
func (r *router) SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error) {
	id, reply, forget := r.expect()
	defer forget()
	iq.ID = id
	var out strings.Builder
	e := xml.NewEncoder(&out)
	if _, err := xmlstream.Copy(e, iq.Wrap(payload)); err != nil {
		return nil, err
	}
	if err := e.Flush(); err != nil {
		return nil, err
	}
	r.route(id, iq.To.String(), out.String())
	select {
	case raw := <-reply:
		return held{xml.NewDecoder(strings.NewReader(raw))}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// held is a reply that is in memory already: there is nothing to close.
type held struct{ xml.TokenReader }

func (held) Close() error { return nil }

// A server that is not built on mellium implements the one method that every role asks for.
func ExampleSession() {
	var session roundtrip.Session = &router{pending: make(map[string]chan string)}
	reply, err := roundtrip.Do(context.Background(), session, roundtrip.Request{
		To:      jid.MustParse("montague.lit"),
		Payload: []byte("<query xmlns='jabber:iq:version'/>"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := reply.Payload()
	for depth := s.Depth(); s.Child(depth); {
		text, _ := s.InnerText(100)
		fmt.Println(s.Local(), "is", text)
	}
	// Output: name is Prosody
}
