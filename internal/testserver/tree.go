package testserver

import (
	"bytes"
	"strconv"
	"strings"
)

// tree is one parsed stanza. All its slices refer to the stanza's bytes, and it is reused for the next stanza.
type tree struct {
	src   []byte
	elems []elem
	attrs []attr
	binds []binding
	stack []int32
}

type elem struct {
	space, local []byte
	attr0, attr1 int
	kid, next    int32 // indexes into elems, 0 = none
	last         int32 // last child
	start, end   int   // the whole element
	in0, in1     int   // what it encloses
}

type attr struct{ name, value []byte }

type binding struct {
	prefix, uri []byte
	depth       int
}

// node is an element of a tree; the zero node is none.
type node struct {
	t *tree
	i int32
}

// parse reads one element. It is for clients that this process trusts, and refuses only what it cannot follow.
func (t *tree) parse(src []byte, space string) (node, error) {
	t.src, t.elems, t.attrs, t.stack = src, append(t.elems[:0], elem{}), t.attrs[:0], t.stack[:0]
	t.binds = append(t.binds[:0], binding{uri: []byte(space)})
	for pos := 0; ; {
		i := bytes.IndexByte(src[pos:], '<')
		if i < 0 {
			return node{}, errFrame
		}
		pos += i
		n := tagEnd(src[pos:])
		if n < 3 {
			return node{}, errFrame
		}
		if src[pos+1] == '/' {
			if len(t.stack) == 0 {
				return node{}, errFrame
			}
			t.close(pos, pos+n)
		} else {
			t.open(pos, pos+n)
		}
		pos += n
		if len(t.stack) == 0 {
			return node{t, 1}, nil
		}
	}
}

func (t *tree) close(start, end int) {
	e := &t.elems[t.stack[len(t.stack)-1]]
	e.in1, e.end = start, end
	for len(t.binds) > 1 && t.binds[len(t.binds)-1].depth == len(t.stack) {
		t.binds = t.binds[:len(t.binds)-1]
	}
	t.stack = t.stack[:len(t.stack)-1]
}

func (t *tree) open(start, end int) {
	i := int32(len(t.elems))
	e := elem{start: start, in0: end, attr0: len(t.attrs)}
	tag := t.src[start+1 : end-1]
	empty := tag[len(tag)-1] == '/'
	if empty {
		tag = tag[:len(tag)-1]
	}
	depth := len(t.stack) + 1
	name := tag
	if n := bytes.IndexAny(tag, " \t\r\n"); n >= 0 {
		name = tag[:n]
		t.readAttrs(tag[n:], depth)
	}
	e.attr1 = len(t.attrs)
	e.space, e.local = t.resolve(name)
	if len(t.stack) > 0 {
		parent := &t.elems[t.stack[len(t.stack)-1]]
		if parent.last == 0 {
			parent.kid = i
		} else {
			t.elems[parent.last].next = i
		}
		parent.last = i
	}
	t.elems = append(t.elems, e)
	t.stack = append(t.stack, i)
	if empty {
		t.close(end, end)
	}
}

func (t *tree) readAttrs(b []byte, depth int) {
	for {
		b = bytes.TrimLeft(b, " \t\r\n")
		eq := bytes.IndexByte(b, '=')
		if eq < 0 {
			return
		}
		name := bytes.TrimSpace(b[:eq])
		b = bytes.TrimLeft(b[eq+1:], " \t\r\n")
		if len(b) == 0 {
			return
		}
		end := bytes.IndexByte(b[1:], b[0])
		if end < 0 {
			return
		}
		value := unescape(b[1 : end+1])
		b = b[end+2:]
		switch {
		case string(name) == "xmlns":
			t.binds = append(t.binds, binding{uri: value, depth: depth})
		case bytes.HasPrefix(name, []byte("xmlns:")):
			t.binds = append(t.binds, binding{prefix: name[6:], uri: value, depth: depth})
		default:
			t.attrs = append(t.attrs, attr{name, value})
		}
	}
}

func (t *tree) resolve(name []byte) (space, local []byte) {
	var prefix []byte
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		prefix, name = name[:i], name[i+1:]
	}
	for i := len(t.binds) - 1; i >= 0; i-- {
		if bytes.Equal(t.binds[i].prefix, prefix) {
			return t.binds[i].uri, name
		}
	}
	return nil, name
}

func (n node) ok() bool   { return n.i != 0 }
func (n node) elem() elem { return n.t.elems[n.i] }

// is reports whether the node has that name.
func (n node) is(space, local string) bool {
	if n.i == 0 {
		return false
	}
	e := &n.t.elems[n.i]
	return string(e.local) == local && string(e.space) == space
}

func (n node) local() string {
	if n.i == 0 {
		return ""
	}
	return string(n.t.elems[n.i].local)
}

func (n node) first() node {
	if n.i == 0 {
		return node{}
	}
	return node{n.t, n.t.elems[n.i].kid}
}

func (n node) next() node {
	if n.i == 0 {
		return node{}
	}
	return node{n.t, n.t.elems[n.i].next}
}

// child returns the first child of that local name, whatever its namespace.
func (n node) child(local string) node {
	for k := n.first(); k.ok(); k = k.next() {
		if string(n.t.elems[k.i].local) == local {
			return k
		}
	}
	return node{}
}

// attr returns an attribute's value, empty if it is missing.
func (n node) attr(name string) string {
	if n.i == 0 {
		return ""
	}
	e := &n.t.elems[n.i]
	for _, a := range n.t.attrs[e.attr0:e.attr1] {
		if string(a.name) == name {
			return string(a.value)
		}
	}
	return ""
}

func (n node) hasAttr(name string) bool {
	if n.i == 0 {
		return false
	}
	e := &n.t.elems[n.i]
	for _, a := range n.t.attrs[e.attr0:e.attr1] {
		if string(a.name) == name {
			return true
		}
	}
	return false
}

// raw returns the bytes of the whole element.
func (n node) raw() []byte {
	if n.i == 0 {
		return nil
	}
	e := &n.t.elems[n.i]
	return n.t.src[e.start:e.end]
}

// inner returns the bytes that the element encloses.
func (n node) inner() []byte {
	if n.i == 0 {
		return nil
	}
	e := &n.t.elems[n.i]
	if e.in1 < e.in0 {
		return nil
	}
	return n.t.src[e.in0:e.in1]
}

// text returns the character data of an element without children.
func (n node) text() string { return string(unescape(n.inner())) }

// unescape resolves the references of a well-formed piece of text or attribute value.
func unescape(b []byte) []byte {
	if bytes.IndexByte(b, '&') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		i := bytes.IndexByte(b, '&')
		if i < 0 {
			break
		}
		out = append(out, b[:i]...)
		b = b[i:]
		end := bytes.IndexByte(b, ';')
		if end < 0 {
			break
		}
		out = append(out, entity(string(b[1:end]))...)
		b = b[end+1:]
	}
	return append(out, b...)
}

func entity(name string) string {
	switch name {
	case "lt":
		return "<"
	case "gt":
		return ">"
	case "amp":
		return "&"
	case "apos":
		return "'"
	case "quot":
		return `"`
	}
	if rest, ok := strings.CutPrefix(name, "#"); ok {
		base := 10
		if hex, ok := strings.CutPrefix(rest, "x"); ok {
			rest, base = hex, 16
		}
		if v, err := strconv.ParseUint(rest, base, 21); err == nil {
			return string(rune(v))
		}
	}
	return "&" + name + ";"
}

// escapes maps the characters that must not appear in text or in attribute values of either quote.
var escapes = [256]string{'<': "&lt;", '>': "&gt;", '&': "&amp;", '\'': "&apos;", '"': "&quot;"}

// appendEscaped appends s for use in text and in attribute values of either quote.
func appendEscaped(dst []byte, s string) []byte {
	from := 0
	for i := range len(s) {
		if e := escapes[s[i]]; e != "" {
			dst = append(dst, s[from:i]...)
			dst = append(dst, e...)
			from = i + 1
		}
	}
	return append(dst, s[from:]...)
}

// appendAttr appends an attribute with the white space before it.
func appendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, "='"...)
	dst = appendEscaped(dst, value)
	return append(dst, '\'')
}

func itoa(n int) string { return strconv.Itoa(n) }
