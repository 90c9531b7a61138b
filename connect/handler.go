package connect

import (
	"encoding/xml"
	"errors"
	"fmt"
	"runtime/debug"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// wrap returns a handler that never panics and never returns an error, either of which would end mellium's session.
func (l *link) wrap(h xmpp.Handler) xmpp.Handler {
	return xmpp.HandlerFunc(func(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		l.s.handling.Lock()
		defer l.s.handling.Unlock()
		if l.ctx.Err() != nil {
			return nil
		}
		l.s.counters.add(cHandled)
		request, id := requestID(start)
		from, to := attr(start, "from"), ""
		if l.from != "" {
			// A component answers as the address that was asked, which may be any of its domain.
			to = attr(start, "to")
		}
		rec := &recorder{TokenReader: t, id: id}
		err := handle(h, rec, start)
		answered := rec.answered
		var tokens xml.TokenReader
		if err == nil {
			tokens, err = rec.tokens()
		}
		if err != nil {
			l.handlerFailed(err, start.Name.Local, from)
			answered = false
		}
		if tokens != nil {
			// If that fails the connection has ended.
			_, _ = xmlstream.Copy(t, tokens)
		}
		if request && !answered {
			// mellium does so for clients only.
			_, _ = xmlstream.Copy(t, errorIQ(id, from, to, conditionOf(err)))
		}
		return nil
	})
}

// handle runs the handler and turns a panic into an error.
func handle(h xmpp.Handler, rec *recorder, start *xml.StartElement) (err error) {
	if h == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, debug.Stack()}
		}
	}()
	return h.HandleXMPP(rec, start)
}

// panicError is what a handler or a hook panicked with.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprint("panic: ", e.value) }

// handlerFailed counts and logs what a handler did wrong, which strangers may be able to make it do at will.
func (l *link) handlerFailed(err error, stanza, from string) {
	l.s.counters.add(cHandlerFailures)
	args := []any{"error", printable(err.Error(), maxLoggedError), "stanza", stanza, "from", printable(from, maxLogged)}
	var p *panicError
	if errors.As(err, &p) {
		args = append(args, "stack", string(p.stack))
	}
	l.s.log.warn("handler", "handler failed", args...)
}

func requestID(start *xml.StartElement) (request bool, id string) {
	typ := attr(start, "type")
	return start.Name.Local == "iq" && (typ == "get" || typ == "set"), attr(start, "id")
}

func attr(start *xml.StartElement, local string) string {
	for _, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// conditionOf returns the stanza error to answer a request with.
func conditionOf(err error) stanza.Error {
	var se stanza.Error
	switch {
	case err == nil:
		return stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable}
	case errors.As(err, &se) && se.Condition != "":
		return se
	}
	return stanza.Error{Type: stanza.Wait, Condition: stanza.InternalServerError}
}

// errorIQ addresses the reply with the request's own words.
func errorIQ(id, from, to string, e stanza.Error) xml.TokenReader {
	start := xml.StartElement{Name: xml.Name{Local: "iq"}, Attr: []xml.Attr{
		{Name: xml.Name{Local: "type"}, Value: "error"},
		{Name: xml.Name{Local: "id"}, Value: id},
	}}
	if from != "" {
		start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: "to"}, Value: from})
	}
	if to != "" {
		start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: "from"}, Value: to})
	}
	return xmlstream.Wrap(e.TokenReader(), start)
}

// recorder keeps what a handler writes until it is known to be whole.
type recorder struct {
	xml.TokenReader
	out      roundtrip.Writer
	id       string
	level    int
	answered bool
	err      error
}

func (r *recorder) EncodeToken(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		if r.level == 0 && t.Name.Local == "iq" && attr(&t, "id") == r.id {
			if typ := attr(&t, "type"); typ == "result" || typ == "error" {
				r.answered = true
			}
		}
		r.level++
	case xml.EndElement:
		r.level--
	}
	r.out.Inherit = true
	if err := r.out.EncodeToken(t); err != nil && r.err == nil {
		r.err = err
	}
	return r.err
}

func (r *recorder) Encode(v interface{}) error {
	return r.EncodeElement(v, xml.StartElement{})
}

// EncodeElement writes what the tags of v say, or what it makes of itself.
func (r *recorder) EncodeElement(v interface{}, start xml.StartElement) error {
	if start.Name.Local == "" {
		switch v := v.(type) {
		case xmlstream.WriterTo:
			_, err := v.WriteXML(r)
			return err
		case xmlstream.Marshaler:
			_, err := xmlstream.Copy(r, v.TokenReader())
			return err
		}
	}
	var b []byte
	var err error
	if start.Name.Local == "" {
		b, err = xml.Marshal(v)
	} else {
		w := new(bytesWriter)
		err = xml.NewEncoder(w).EncodeElement(v, start)
		b = *w
	}
	if err != nil {
		return err
	}
	tokens, err := roundtrip.Tokens(b)
	if err != nil {
		return err
	}
	_, err = xmlstream.Copy(r, tokens)
	return err
}

type bytesWriter []byte

func (w *bytesWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// tokens returns what was written, nil for nothing, or an error if that is no run of whole elements.
func (r *recorder) tokens() (xml.TokenReader, error) {
	if r.err != nil {
		return nil, r.err
	}
	if len(r.out.Bytes()) == 0 {
		return nil, nil
	}
	if !r.out.Complete() {
		return nil, errors.New("handler left an element open")
	}
	var readers []xml.TokenReader
	f := xmlscan.NewInnerFramer(xmlscan.FrameLimits{Bytes: 8 << 20})
	for b := r.out.Bytes(); len(b) > 0; {
		n, frame, err := f.Feed(b)
		if err != nil {
			return nil, err
		}
		b = b[n:]
		if frame.Kind != xmlscan.Stanza {
			return nil, errors.New("handler wrote no whole stanza")
		}
		tokens, err := roundtrip.Tokens(frame.Data)
		if err != nil {
			return nil, err
		}
		readers = append(readers, tokens)
	}
	return xmlstream.MultiReader(readers...), nil
}
