package xep

import (
	"bytes"
	"strconv"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// Valid reports whether d is one of the three directions of XEP-0485 §9.
func (d Direction) Valid() bool {
	return d == Incoming || d == Outgoing || d == Bidi
}

// isKnown reports whether an element is decoded into a field of its own rather than into an [Extension].
func isKnown(space, local string, inDomain bool) bool {
	return space == NSVersion && local == "query" || inDomain && space == NSUsers && local == "users"
}

// check returns why an extension can't be written, or nothing.
func (e *Extension) check(inDomain bool) (Code, string) {
	switch {
	case e.Space == "" || e.Space == NS:
		return CodeExtensionNamespace, strconv.Quote(shorten(e.Local)) + " is not in a namespace of its own"
	case isKnown(e.Space, e.Local, inDomain):
		return CodeExtensionKnown, strconv.Quote(e.Local) + " in " + e.Space + " belongs in a field of its own"
	case !e.embeds():
		return CodeExtensionXML, "is not one element that stands alone and has the name " + strconv.Quote(shorten(e.Local)) + " in " + strconv.Quote(shorten(e.Space))
	}
	return "", ""
}

// embeds reports whether the element means within a payload what it means alone, by reading it back from one.
func (e *Extension) embeds() bool {
	b := make([]byte, 0, len(e.XML)+64)
	b = append(b, "<x xmlns='"+NS+"'>"...)
	b = append(append(b, e.XML...), "</x>"...)
	s := xmlscan.New(b, xmlscan.Limits{})
	s.Next() // onto the tag around it
	if !s.Next() || s.Kind() != xmlscan.Start || !s.Is(e.Space, e.Local) {
		return false
	}
	alone, err := s.Element()
	if err != nil || !bytes.Equal(alone, e.XML) {
		return false
	}
	// Nothing may follow it but the end of the payload: that is what makes it one element.
	return s.Next() && s.Kind() == xmlscan.End && !s.Next() && s.Err() == nil
}

// newExtension keeps an element as it was written.
//
// An element with a prefix may hold others in no namespace, which would fall into that of the payload when it is written again:
// it then gets to say that it has no default namespace.
func newExtension(space, local string, b []byte) (Extension, bool) {
	e := Extension{Space: space, Local: local, XML: b}
	name := b[1:]
	if end := bytes.IndexAny(name, " \t\r\n/>"); end >= 0 {
		name = name[:end]
	}
	if !bytes.ContainsRune(name, ':') || e.embeds() {
		return e, true
	}
	fixed := append(make([]byte, 0, len(b)+len(" xmlns=''")), b[:1+len(name)]...)
	fixed = append(fixed, " xmlns=''"...)
	e.XML = append(fixed, b[1+len(name):]...)
	return e, e.embeds()
}
