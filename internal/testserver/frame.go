package testserver

import (
	"bytes"
	"errors"
	"io"
)

// Kinds of what a framer finds on a stream.
type frameKind int

const (
	frameHeader frameKind = iota // <stream:stream …>
	frameStanza                  // one whole element below the stream
	frameClose                   // </stream:stream>
)

var (
	errFrame  = errors.New("testserver: not well-formed")
	errTooBig = errors.New("testserver: stanza is too big")
)

// framer cuts a stream into its header, its whole top-level elements and its end.
// It resumes at the last unfinished tag, so that a large stanza is not scanned again with each read.
type framer struct {
	r     io.Reader
	max   int // bytes of one stanza, 0 = no limit
	buf   []byte
	start int // first byte of the current frame
	pos   int // where scanning goes on
	depth int // open elements within the current frame
	open  bool
}

func newFramer(r io.Reader, limit int) *framer {
	return &framer{r: r, max: limit, buf: make([]byte, 0, 4096)}
}

// next returns the next frame, valid until the following call.
func (f *framer) next() (frameKind, []byte, error) {
	for {
		kind, frame, err := f.scan()
		if err != nil {
			return 0, nil, err
		}
		if frame != nil && (f.max <= 0 || len(frame) <= f.max) {
			return kind, frame, nil
		}
		if f.max > 0 && len(f.buf)-f.start > f.max {
			return 0, nil, errTooBig
		}
		if err := f.fill(); err != nil {
			return 0, nil, err
		}
	}
}

// buffered reports whether bytes are left that have not been framed yet.
func (f *framer) buffered() bool { return f.pos < len(f.buf) }

func (f *framer) fill() error {
	if f.start > 0 {
		n := copy(f.buf, f.buf[f.start:])
		f.buf = f.buf[:n]
		f.pos -= f.start
		f.start = 0
	}
	if len(f.buf) == cap(f.buf) {
		f.buf = append(f.buf, 0)[:len(f.buf)]
	}
	n, err := f.r.Read(f.buf[len(f.buf):cap(f.buf)])
	f.buf = f.buf[:len(f.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// scan looks for the end of the current frame in what is buffered, and returns a nil frame where more is needed.
func (f *framer) scan() (frameKind, []byte, error) {
	for {
		i := bytes.IndexByte(f.buf[f.pos:], '<')
		if i < 0 {
			f.pos = len(f.buf)
			if f.depth == 0 {
				f.start = f.pos // white space between stanzas
			}
			return 0, nil, nil
		}
		f.pos += i
		if f.depth == 0 {
			f.start = f.pos
		}
		end := tagEnd(f.buf[f.pos:])
		if end < 0 {
			return 0, nil, nil
		}
		tag := f.buf[f.pos : f.pos+end]
		f.pos += end
		switch {
		case tag[1] == '?':
			continue
		case tag[1] == '!':
			return 0, nil, errFrame
		case tag[1] == '/':
			f.depth--
			if f.depth < 0 {
				f.depth = 0
				return frameClose, tag, nil
			}
		case tag[len(tag)-2] != '/':
			if !f.open {
				f.open = true
				return frameHeader, tag, nil
			}
			f.depth++
		}
		if f.depth == 0 {
			return frameStanza, f.buf[f.start:f.pos], nil
		}
	}
}

// tagEnd returns the length of the tag that b starts with, or -1 if it is not complete.
func tagEnd(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch c := b[i]; c {
		case '>':
			return i + 1
		case '\'', '"':
			n := bytes.IndexByte(b[i+1:], c)
			if n < 0 {
				return -1
			}
			i += n + 1
		}
	}
	return -1
}
