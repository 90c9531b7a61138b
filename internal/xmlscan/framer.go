package xmlscan

import (
	"bytes"
	"fmt"
)

// FrameKind tells what a [Frame] holds.
type FrameKind uint8

// The kinds of frame that a [Framer] cuts out of a stream.
const (
	// NoFrame means that more bytes are needed.
	NoFrame FrameKind = iota
	// Header is the start tag of the stream's root element.
	Header
	// Stanza is a whole child of the root.
	Stanza
	// Dropped is a whole child of the root that exceeded a limit or holds what XMPP forbids.
	// Only its start tag was kept, and not even that if it exceeded the limit by itself.
	Dropped
	// Close is the end tag of the root.
	Close
)

// The reasons of [Dropped] frames.
const (
	ReasonSize       = "too large"
	ReasonDepth      = "too deep"
	ReasonRestricted = "restricted XML"
)

// Frame is one piece of a stream.
type Frame struct {
	// Kind tells what it is.
	Kind FrameKind
	// Data is the piece as it was sent, valid until the next call of Feed.
	Data []byte
	// Head is the number of bytes of Data that are the start tag.
	Head int
	// Size is the number of bytes that were sent, which for a Dropped frame is more than Data holds.
	Size int
	// Reason says why a frame was dropped.
	Reason string
}

// FrameLimits bounds the pieces of a stream; a zero field means its default.
type FrameLimits struct {
	// Bytes is the greatest size of a Stanza or Header, [DefaultBytes] if zero.
	Bytes int
	// Depth is the greatest number of elements open at once in a Stanza, [DefaultDepth] if zero.
	Depth int
}

// DefaultBytes is the default of [FrameLimits].
const DefaultBytes = 1 << 20

// Framer cuts a stream into the children of its root.
//
// It checks no more than it must to find where they end: a [Scanner] over a frame checks the rest.
// Whatever it is fed, it holds no more than the limit: of what is too large it counts the bytes and finds the end.
type Framer struct {
	lim   FrameLimits
	state func(*Framer, []byte) (int, error)
	buf   []byte
	head  int
	size  int
	depth int // open elements, the root included
	drop  string

	last  byte   // the byte before, in a start tag
	quote byte   // the quote that ends the current value
	tail  uint32 // the last bytes of a section
	bang  []byte
	frame Frame
	clear bool
}

// NewFramer returns a framer at the start of a stream, where the XML declaration or the root's start tag is due.
func NewFramer(lim FrameLimits) *Framer {
	f := &Framer{}
	f.init(lim, 0)
	return f
}

// NewInnerFramer returns a framer inside of the root of a stream that has begun elsewhere.
func NewInnerFramer(lim FrameLimits) *Framer {
	f := &Framer{}
	f.init(lim, 1)
	return f
}

func (f *Framer) init(lim FrameLimits, depth int) {
	if lim.Bytes <= 0 {
		lim.Bytes = DefaultBytes
	}
	if lim.Depth <= 0 {
		lim.Depth = DefaultDepth
	}
	f.lim, f.depth, f.state = lim, depth, (*Framer).inText
}

// Restart makes the framer expect a new stream, as after TLS or authentication (RFC 6120 §4.3.3).
func (f *Framer) Restart() { f.init(f.lim, 0) }

// Feed consumes bytes of the stream up to the end of the next frame and returns how many.
// The frame's kind is [NoFrame] if the bytes ended first.
// An error means that the peer does not speak XMPP, and is final.
func (f *Framer) Feed(p []byte) (int, Frame, error) {
	if f.clear {
		f.buf, f.head, f.size, f.drop, f.clear = f.buf[:0], 0, 0, "", false
	}
	f.frame = Frame{}
	for n := 0; n < len(p); {
		used, err := f.state(f, p[n:])
		n += used
		if err != nil {
			return n, Frame{}, err
		}
		if f.frame.Kind != NoFrame {
			f.clear = true
			return n, f.frame, nil
		}
	}
	return len(p), Frame{}, nil
}

// Partial reports whether a frame has begun but not ended.
func (f *Framer) Partial() bool { return !f.clear && f.size > 0 }

// keep adds bytes to the current frame unless it is being dropped.
func (f *Framer) keep(p ...byte) { f.keepAll(p) }

func (f *Framer) keepAll(p []byte) {
	f.size += len(p)
	switch {
	case f.drop != "":
	case f.size > f.lim.Bytes:
		f.dropAs(ReasonSize)
	default:
		f.buf = append(f.buf, p...)
	}
}

// dropAs forgets all of the current frame but its start tag.
func (f *Framer) dropAs(reason string) {
	if f.drop == "" {
		f.drop = reason
		f.buf = f.buf[:f.head]
	}
}

func (f *Framer) fail(reason string) error {
	return fmt.Errorf("xmlscan: %w in the stream: %s", ErrSyntax, reason)
}

func (f *Framer) emit(kind FrameKind) {
	f.frame = Frame{Kind: kind, Data: f.buf, Head: f.head, Size: f.size}
	if f.drop != "" {
		f.frame.Kind, f.frame.Reason = Dropped, f.drop
	}
}

func (f *Framer) inText(p []byte) (int, error) {
	n := bytes.IndexByte(p, '<')
	end := n
	if n < 0 {
		n, end = len(p), len(p)
	} else {
		n++
		f.state = (*Framer).afterOpen
	}
	if f.depth >= 2 {
		f.keepAll(p[:n])
		return n, nil
	}
	for _, c := range p[:end] {
		if !isSpace(c) {
			return n, f.fail("text outside of a stanza")
		}
	}
	if end < n {
		f.keep('<')
	}
	return n, nil
}

func (f *Framer) afterOpen(p []byte) (int, error) {
	f.keep(p[0])
	switch c := p[0]; {
	case c == '/':
		if f.depth == 0 {
			return 1, f.fail("end tag without a start tag")
		}
		f.state = (*Framer).inEndTag
	case c == '!':
		f.bang = f.bang[:0]
		f.state = (*Framer).afterBang
	case c == '?':
		f.tail = 0
		f.state = (*Framer).inInstruction
	case nameClass[c]&cNameStart != 0 || c >= 0x80:
		f.last = c
		f.state = (*Framer).inTag
	default:
		return 1, f.fail("'<' before what is no name")
	}
	return 1, nil
}

func (f *Framer) inTag(p []byte) (int, error) {
	for i, c := range p {
		switch c {
		case '>':
			f.keepAll(p[:i+1])
			if i > 0 {
				f.last = p[i-1]
			}
			f.state = (*Framer).inText
			return i + 1, f.startTag(f.last == '/')
		case '"', '\'':
			f.keepAll(p[:i+1])
			f.quote = c
			f.state = (*Framer).inValue
			return i + 1, nil
		}
	}
	f.keepAll(p)
	f.last = p[len(p)-1]
	return len(p), nil
}

func (f *Framer) inValue(p []byte) (int, error) {
	n := bytes.IndexByte(p, f.quote)
	if n < 0 {
		f.keepAll(p)
		return len(p), nil
	}
	f.keepAll(p[:n+1])
	f.last = f.quote
	f.state = (*Framer).inTag
	return n + 1, nil
}

// startTag takes note of a start tag that has ended.
func (f *Framer) startTag(empty bool) error {
	switch f.depth {
	case 0:
		if empty || f.drop != "" {
			return f.fail("unusable stream header")
		}
		f.depth = 1
		f.head = len(f.buf)
		f.emit(Header)
		return nil
	case 1:
		if f.drop == "" {
			f.head = len(f.buf)
		}
	}
	if f.depth > f.lim.Depth {
		f.dropAs(ReasonDepth)
	}
	if !empty {
		f.depth++
		return nil
	}
	if f.depth == 1 {
		f.emit(Stanza)
	}
	return nil
}

func (f *Framer) inEndTag(p []byte) (int, error) {
	n := bytes.IndexByte(p, '>')
	if n < 0 {
		f.keepAll(p)
		return len(p), nil
	}
	f.keepAll(p[:n+1])
	f.state = (*Framer).inText
	switch f.depth--; f.depth {
	case 0:
		f.drop = ""
		f.emit(Close)
	case 1:
		f.emit(Stanza)
	}
	return n + 1, nil
}

// afterBang tells CDATA sections and comments from document types.
func (f *Framer) afterBang(p []byte) (int, error) {
	const cdata, comment = "[CDATA[", "--"
	f.keep(p[0])
	f.bang = append(f.bang, p[0])
	switch b := string(f.bang); {
	case b == cdata:
		if f.depth < 2 {
			return 1, f.fail("text outside of a stanza")
		}
		f.tail = 0
		f.state = (*Framer).inCDATA
	case b == comment:
		f.tail = 0
		f.state = (*Framer).inComment
	case len(b) < len(cdata) && b == cdata[:len(b)], len(b) < len(comment) && b == comment[:len(b)]:
	default:
		return 1, f.fail("document type")
	}
	return 1, nil
}

func (f *Framer) inCDATA(p []byte) (int, error) {
	n := f.section(p, 0xFFFFFF, ']'<<16|']'<<8|'>')
	return n, nil
}

// inComment and inInstruction forget what XMPP forbids; around stanzas that is all, inside it costs the stanza.
func (f *Framer) inComment(p []byte) (int, error) {
	return f.restricted(p, 0xFFFFFF, '-'<<16|'-'<<8|'>')
}

func (f *Framer) inInstruction(p []byte) (int, error) {
	return f.restricted(p, 0xFFFF, '?'<<8|'>')
}

func (f *Framer) restricted(p []byte, mask, end uint32) (int, error) {
	n := f.section(p, mask, end)
	if f.depth >= 2 {
		f.dropAs(ReasonRestricted)
		return n, nil
	}
	f.buf, f.size, f.drop = f.buf[:0], 0, ""
	return n, nil
}

// section reads up to and including a mark of up to four bytes.
func (f *Framer) section(p []byte, mask, end uint32) int {
	for i, c := range p {
		f.tail = f.tail<<8 | uint32(c)
		if f.tail&mask == end {
			f.keepAll(p[:i+1])
			f.state = (*Framer).inText
			return i + 1
		}
	}
	f.keepAll(p)
	return len(p)
}

// SetLimits changes the limits from the next frame on.
func (f *Framer) SetLimits(lim FrameLimits) { f.init(lim, f.depth) }
