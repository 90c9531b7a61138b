package roundtrip

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// The ways in which a request can fail without an error reply.
var (
	// ErrTimeout means that no reply came in time; it wraps context.DeadlineExceeded.
	ErrTimeout = fmt.Errorf("no reply in time: %w", context.DeadlineExceeded)
	// ErrWrongFrom means that the reply came from another address than the request went to.
	ErrWrongFrom = errors.New("reply from another address")
	// ErrTooLarge means that the reply exceeded the limit on its bytes or its depth.
	ErrTooLarge = errors.New("reply too large")
	// ErrMalformed means that the reply was not a well-formed IQ of type result or error.
	ErrMalformed = errors.New("malformed reply")
	// ErrDisconnected means that the stream ended before the reply came.
	// Whether the request was carried out is not known.
	ErrDisconnected = errors.New("session disconnected")
)

// NSPubSubErrors is the namespace of the application conditions that pubsub services send (XEP-0060 §12).
const NSPubSubErrors = "http://jabber.org/protocol/pubsub#errors"

// The bounds on what an [Error] keeps of an error reply.
const (
	maxErrorText  = 1024
	maxErrorTexts = 4
	maxErrorApps  = 8
)

// Error is an error reply (RFC 6120 §8.3).
type Error struct {
	// From is the sender as written.
	From string
	// Stanza holds the type, the condition and the text.
	// The condition is undefined-condition if the reply named none.
	Stanza stanza.Error
	// App holds the application-specific conditions, such as those of pubsub services (XEP-0060 §12).
	App []xml.Name
	// Feature is the attribute of that name of pubsub's condition unsupported.
	Feature string
}

// Error returns the condition with what came beside it.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q answered %s", e.From, e.Stanza.Condition)
	switch t := e.Stanza.Type; t {
	case "":
	case stanza.Auth, stanza.Cancel, stanza.Continue, stanza.Modify, stanza.Wait:
		fmt.Fprintf(&b, " (%s)", t)
	default:
		// What the sender made up must not write lines of its own into a log.
		fmt.Fprintf(&b, " (%q)", t)
	}
	for _, a := range e.App {
		fmt.Fprintf(&b, " + %s", a.Local)
		if a.Local == "unsupported" && e.Feature != "" {
			fmt.Fprintf(&b, " %q", e.Feature)
		}
	}
	if text := e.Text(); text != "" {
		fmt.Fprintf(&b, ": %q", text)
	}
	return b.String()
}

// Unwrap returns the stanza error, so that errors.Is compares types and conditions.
func (e *Error) Unwrap() error { return e.Stanza }

// Text returns the human readable text, that without a language or in English first.
func (e *Error) Text() string {
	for _, lang := range []string{"", "en"} {
		if t := e.Stanza.Text[lang]; t != "" {
			return t
		}
	}
	first := ""
	for lang := range e.Stanza.Text {
		if first == "" || lang < first {
			first = lang
		}
	}
	return e.Stanza.Text[first]
}

// HasApp reports whether the reply named the given application-specific condition.
func (e *Error) HasApp(space, local string) bool {
	for _, a := range e.App {
		if a.Space == space && a.Local == local {
			return true
		}
	}
	return false
}

// parseError decodes the error element that the scanner is on.
func parseError(s *xmlscan.Scanner, e *Error) error {
	typ, _ := s.Attr("type")
	e.Stanza.Type = stanza.ErrorType(clip(typ, 16))
	if by, _ := s.Attr("by"); by != "" && len(by) <= maxAddress {
		// An address that cannot be read is no reason to lose the condition.
		e.Stanza.By, _ = jid.Parse(by)
	}
	for d := s.Depth(); s.Child(d); {
		var err error
		switch {
		case s.Is(stanza.NSError, "text"):
			err = parseErrorText(s, e)
		case s.Space() == stanza.NSError:
			if e.Stanza.Condition == "" {
				e.Stanza.Condition = stanza.Condition(clip(s.Local(), 64))
			}
		case len(e.App) < maxErrorApps:
			e.App = append(e.App, xml.Name{Space: clip(s.Space(), 256), Local: clip(s.Local(), 64)})
			if feature, ok := s.Attr("feature"); ok && s.Is(NSPubSubErrors, "unsupported") {
				e.Feature = clip(feature, 64)
			}
		}
		if err != nil {
			return err
		}
	}
	return s.Err()
}

func parseErrorText(s *xmlscan.Scanner, e *Error) error {
	lang, _ := s.AttrNS("http://www.w3.org/XML/1998/namespace", "lang")
	text, err := s.InnerText(1 << 20)
	if err != nil {
		return err
	}
	if text == "" || len(e.Stanza.Text) >= maxErrorTexts {
		return nil
	}
	if e.Stanza.Text == nil {
		e.Stanza.Text = make(map[string]string, 1)
	}
	e.Stanza.Text[clip(lang, 32)] = clip(text, maxErrorText)
	return nil
}

// clip returns a copy of s that is cut at max bytes and holds no reference to the reply.
func clip(s string, max int) string {
	if len(s) > max {
		s = strings.ToValidUTF8(s[:max], "")
	}
	return strings.Clone(s)
}
