package quick

import "bytes"

var (
	get     = []byte("GET ")
	version = []byte(" HTTP/1.1")
	lineEnd = []byte("\r\n")
)

// parse reads a request that is all there, alone, and simple: a GET without a body, without conditions other than If-None-Match,
// and without anything that is not exactly as RFC 9112 has it. All others are for net/http to understand or to refuse.
func parse(b []byte) (h Head, ok bool) {
	line, b, ok := bytes.Cut(b, lineEnd)
	if !ok || !bytes.HasPrefix(line, get) || !bytes.HasSuffix(line, version) || len(line) < len(get)+len(version) {
		return h, false
	}
	h.Path = line[len(get) : len(line)-len(version)]
	hosts := 0
	for {
		if line, b, ok = bytes.Cut(b, lineEnd); !ok {
			return h, false
		}
		if len(line) == 0 {
			return h, len(b) == 0 && hosts == 1
		}
		name, value, ok := field(line)
		if !ok || !h.take(name, value, &hosts) {
			return h, false
		}
	}
}

// field reads a line of the header.
func field(line []byte) (name, value []byte, ok bool) {
	name, value, ok = bytes.Cut(line, []byte{':'})
	if !ok || len(name) == 0 {
		return nil, nil, false
	}
	for _, c := range name {
		if c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return nil, nil, false
		}
	}
	for _, c := range value {
		if c < ' ' || c >= 0x7f {
			return nil, nil, false
		}
	}
	return name, bytes.Trim(value, " "), true
}

// take keeps a field, and returns false for one that makes a request other than simple.
func (h *Head) take(name, value []byte, hosts *int) bool {
	switch len(name) {
	case len("Host"):
		if is(name, "host") {
			*hosts++
			return len(value) > 0
		}
	case len("Accept-Encoding"):
		if is(name, "accept-encoding") {
			return once(&h.AcceptEncoding, value)
		}
	case len("If-None-Match"):
		if is(name, "if-none-match") {
			return once(&h.IfNoneMatch, value)
		}
	case len("Connection"):
		if is(name, "connection") {
			return is(value, "keep-alive")
		}
	}
	for _, other := range [...]string{"content-length", "transfer-encoding", "expect", "upgrade", "te", "trailer", "range", "if-range", "if-match",
		"if-modified-since", "if-unmodified-since", "http2-settings", "proxy-connection"} {
		if is(name, other) {
			return false
		}
	}
	return true
}

func once(to *[]byte, value []byte) bool {
	if *to != nil || len(value) == 0 {
		return false
	}
	*to = value
	return true
}

// is compares with a text in lower case.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
