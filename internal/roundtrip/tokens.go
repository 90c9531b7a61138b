package roundtrip

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// abandonAfter is how long a request that nobody waits for any more may still take to leave a plain session.
//
// *xmpp.Session sets a deadline in the past on the whole connection when a context ends while its request is being
// written, which now and then breaks its output for good; a context that ends well after does no harm.
const abandonAfter = time.Second

// exchangeTokens performs the round trip over a session that knows nothing but tokens.
func exchangeTokens(ctx context.Context, s Session, iq stanza.IQ, r Request) ([]byte, error) {
	request, err := Tokens(r.Payload)
	if err != nil {
		return nil, err
	}
	type result struct {
		raw []byte
		err error
	}
	// The session's context ends only if nobody waits any more: mellium must not see one end near a write.
	apart, abandon := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan result, 1)
	go func() {
		raw, err := sendTokens(apart, s, request, iq, r.MaxBytes)
		done <- result{raw, err}
	}()
	select {
	case res := <-done:
		// The context stays without an end on purpose, see abandonAfter; nothing refers to it from here on.
		_ = abandon
		return res.raw, res.err
	case <-ctx.Done():
		time.AfterFunc(abandonAfter, abandon)
		return nil, ctx.Err()
	}
}

// sendTokens sends the request, copies the reply and closes it once and at once.
func sendTokens(ctx context.Context, s Session, request xml.TokenReader, iq stanza.IQ, max int) (raw []byte, err error) {
	defer func() {
		// A session that panics on a stranger's reply must not take the process along.
		if p := recover(); p != nil {
			raw, err = nil, fmt.Errorf("%w: session panicked: %v", ErrMalformed, p)
		}
	}()
	reply, err := s.SendIQElement(ctx, request, iq)
	if err != nil {
		return nil, err
	}
	if reply == nil {
		return nil, fmt.Errorf("%w: none", ErrMalformed)
	}
	raw, err = appendTokens(nil, reply, max)
	if e := reply.Close(); err == nil && e != nil {
		err = e
	}
	return raw, err
}

// appendTokens writes the first element that r yields, under a limit on its bytes.
func appendTokens(dst []byte, r xml.TokenReader, max int) ([]byte, error) {
	w := tokenWriter{out: dst}
	for {
		tok, err := r.Token()
		if tok != nil {
			if err := w.write(tok); err != nil {
				return nil, err
			}
			if len(w.out) > max {
				return nil, ErrTooLarge
			}
			if len(w.spaces) == 0 && w.begun {
				return w.out, nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("%w: unfinished", ErrMalformed)
		case err != nil:
			return nil, err
		}
	}
}

// tokenWriter turns tokens with resolved names back into bytes.
type tokenWriter struct {
	out    []byte
	spaces []string
	begun  bool
}

func (w *tokenWriter) write(tok xml.Token) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return w.start(t)
	case xml.EndElement:
		if len(w.spaces) == 0 {
			return fmt.Errorf("%w: end without a start", ErrMalformed)
		}
		w.spaces = w.spaces[:len(w.spaces)-1]
		w.out = append(append(append(w.out, "</"...), t.Name.Local...), '>')
	case xml.CharData:
		if len(w.spaces) > 0 {
			w.out = xmlscan.AppendEscaped(w.out, []byte(t))
		}
	default:
		return fmt.Errorf("%w: %T", ErrMalformed, tok)
	}
	return nil
}

func (w *tokenWriter) start(t xml.StartElement) error {
	if len(w.spaces) >= xmlscan.DefaultDepth {
		return ErrTooLarge
	}
	w.begun = true
	w.out = append(append(w.out, '<'), t.Name.Local...)
	outer := ""
	if n := len(w.spaces); n > 0 {
		outer = w.spaces[n-1]
	}
	if t.Name.Space != outer {
		w.out = xmlscan.AppendAttr(w.out, "xmlns", t.Name.Space)
	}
	w.spaces = append(w.spaces, t.Name.Space)
	for i, a := range t.Attr {
		w.attr(a, i)
	}
	w.out = append(w.out, '>')
	return nil
}

func (w *tokenWriter) attr(a xml.Attr, i int) {
	name := a.Name.Local
	switch a.Name.Space {
	case "":
		if name == "xmlns" {
			return
		}
	case "xmlns":
		return
	case nsXML:
		name = "xml:" + name
	default:
		prefix := "a" + strconv.Itoa(i)
		w.out = xmlscan.AppendAttr(w.out, "xmlns:"+prefix, a.Name.Space)
		name = prefix + ":" + name
	}
	w.out = xmlscan.AppendAttr(w.out, name, a.Value)
}

const nsXML = "http://www.w3.org/XML/1998/namespace"

// Tokens returns the tokens of one element.
//
// They are all made before the first is read: a reader that failed midway would corrupt the output of the session for
// good.
// Namespaces are in the names only, as mellium's encoder writes an xmlns attribute twice otherwise.
func Tokens(b []byte) (xml.TokenReader, error) {
	s := xmlscan.New(b, xmlscan.Limits{})
	var tokens []xml.Token
	var spaces []string
	for s.Next() {
		switch s.Kind() {
		case xmlscan.Start:
			t := xml.StartElement{Name: xml.Name{Space: s.Space(), Local: s.Local()}}
			if n := len(spaces); n > 0 && spaces[n-1] != "" && s.Space() == "" {
				t.Attr = append(t.Attr, xml.Attr{Name: xml.Name{Local: "xmlns"}})
			}
			for a := range s.Attrs() {
				t.Attr = append(t.Attr, xml.Attr{Name: xml.Name{Space: a.Space, Local: a.Local}, Value: a.Value})
			}
			spaces = append(spaces, s.Space())
			tokens = append(tokens, t)
		case xmlscan.End:
			spaces = spaces[:len(spaces)-1]
			tokens = append(tokens, xml.EndElement{Name: xml.Name{Space: s.Space(), Local: s.Local()}})
		case xmlscan.Text:
			tokens = append(tokens, xml.CharData(append([]byte(nil), s.Text()...)))
		}
	}
	if s.Err() != nil {
		return nil, fmt.Errorf("roundtrip: payload: %w", s.Err())
	}
	return tokenSlice(tokens), nil
}

// tokenSlice returns a reader over the tokens.
func tokenSlice(tokens []xml.Token) xml.TokenReader {
	return xmlstream.ReaderFunc(func() (xml.Token, error) {
		if len(tokens) == 0 {
			return nil, io.EOF
		}
		t := tokens[0]
		tokens = tokens[1:]
		return t, nil
	})
}
