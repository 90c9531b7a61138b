//go:build integration

package integration

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	nsComponent = "jabber:component:accept"
	nsStream    = "http://etherx.jabber.org/streams"
	nsDiscoInfo = "http://jabber.org/protocol/disco#info"
	dialLimit   = time.Minute // ejabberd listens long before it answers, on a loaded machine
)

// component is an external component (XEP-0114) of raw bytes.
// The lab does not use the library under test, so that a fault there cannot hide itself.
type component struct {
	name   string
	conn   net.Conn
	dec    *xml.Decoder
	answer func(iqIn) string // the payload of the result for a request, "" for an error

	nextID  atomic.Int64
	mu      sync.Mutex
	waiters map[string]chan iqIn
	done    chan struct{}
}

// iqIn is as much of an IQ as the lab needs.
type iqIn struct {
	XMLName xml.Name
	Type    string `xml:"type,attr"`
	ID      string `xml:"id,attr"`
	From    string `xml:"from,attr"`
	Query   struct {
		Node       string `xml:"node,attr"`
		Identities []struct {
			Name string `xml:"name,attr"`
		} `xml:"identity"`
		Features []struct {
			Var string `xml:"var,attr"`
		} `xml:"feature"`
		Values []string `xml:"x>field>value"`
	} `xml:"http://jabber.org/protocol/disco#info query"`
}

func (iq iqIn) has(feature string) bool {
	for _, f := range iq.Query.Features {
		if f.Var == feature {
			return true
		}
	}
	return false
}

// dialComponent connects and authenticates; answer is called for each request and must not block.
func dialComponent(addr, name string, answer func(iqIn) string) (*component, error) {
	conn, err := net.DialTimeout("tcp4", addr, dialLimit)
	if err != nil {
		return nil, err
	}
	c := &component{
		name: name, conn: conn, dec: xml.NewDecoder(conn), answer: answer,
		waiters: map[string]chan iqIn{}, done: make(chan struct{}),
	}
	if err := c.handshake(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	go c.serve()
	return c, nil
}

func (c *component) handshake() error {
	if err := c.conn.SetDeadline(time.Now().Add(dialLimit)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.conn, `<stream:stream xmlns='%s' xmlns:stream='%s' to='%s'>`, nsComponent, nsStream, c.name)
	if err != nil {
		return err
	}
	start, err := c.nextStart()
	if err != nil {
		return err
	}
	var id string
	for _, a := range start.Attr {
		if a.Name.Local == "id" {
			id = a.Value
		}
	}
	sum := sha1.Sum([]byte(id + Secret))
	if _, err := fmt.Fprintf(c.conn, "<handshake>%s</handshake>", hex.EncodeToString(sum[:])); err != nil {
		return err
	}
	start, err = c.nextStart()
	if err != nil {
		return err
	}
	if start.Name.Local != "handshake" {
		return fmt.Errorf("refused: %v", start.Name)
	}
	if err := c.dec.Skip(); err != nil {
		return err
	}
	return c.conn.SetDeadline(time.Time{})
}

func (c *component) nextStart() (xml.StartElement, error) {
	for {
		tok, err := c.dec.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if s, ok := tok.(xml.StartElement); ok {
			return s, nil
		}
	}
}

// serve ends with the connection.
func (c *component) serve() {
	defer close(c.done)
	for {
		start, err := c.nextStart()
		if err != nil {
			return
		}
		var iq iqIn
		if err := c.dec.DecodeElement(&iq, &start); err != nil {
			return
		}
		if start.Name.Local == "iq" {
			c.handle(iq)
		}
	}
}

func (c *component) handle(iq iqIn) {
	if iq.Type == "result" || iq.Type == "error" {
		c.mu.Lock()
		w := c.waiters[iq.ID]
		delete(c.waiters, iq.ID)
		c.mu.Unlock()
		if w != nil {
			w <- iq
		}
		return
	}
	kind, payload := "result", c.answer(iq)
	if payload == "" {
		kind = "error"
		payload = `<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
	}
	// A write error ends the connection, which serve notices by itself.
	_, _ = fmt.Fprintf(c.conn, `<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>`, kind, iq.ID, c.name, iq.From, payload)
}

// discoInfo asks to for its disco#info; an error reply is returned like a result.
func (c *component) discoInfo(ctx context.Context, to string) (iqIn, error) {
	id := fmt.Sprintf("lab-%d", c.nextID.Add(1))
	w := make(chan iqIn, 1)
	c.mu.Lock()
	c.waiters[id] = w
	c.mu.Unlock()
	_, err := fmt.Fprintf(c.conn, `<iq type='get' id='%s' from='%s' to='%s'><query xmlns='%s'/></iq>`, id, c.name, to, nsDiscoInfo)
	if err != nil {
		return iqIn{}, err
	}
	select {
	case iq := <-w:
		return iq, nil
	case <-c.done:
		return iqIn{}, errors.New("component stream closed")
	case <-ctx.Done():
		return iqIn{}, ctx.Err()
	}
}

// close ends the connection and waits for the reader.
func (c *component) close() error {
	_, _ = fmt.Fprint(c.conn, "</stream:stream>")
	err := c.conn.Close()
	<-c.done
	return err
}
