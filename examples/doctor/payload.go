package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/xmppgraph/xmppgraph/conformance"
)

// maxFile is more than any stanza that servers let pass.
const maxFile = 4 << 20

// checkPayload checks a captured payload, without any network.
func checkPayload(_ context.Context, c *config, w world) (*conformance.Report, error) {
	b, err := readFile(c.payload, w.stdin)
	if err != nil {
		return nil, usageError{err}
	}
	r, err := conformance.Payload(plain(b), c.domain)
	if err != nil {
		return nil, usageError{err}
	}
	if r.Target == "" {
		r.Target = c.payload
	}
	return r, nil
}

func readFile(path string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s holds more than %d bytes", path, maxFile)
	}
	return b, nil
}

// plain removes what editors put before an XML document and what no stream ever holds.
func plain(b []byte) []byte {
	b = bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF"))
	b = bytes.TrimSpace(b)
	if rest, ok := bytes.CutPrefix(b, []byte("<?xml ")); ok {
		if _, after, ok := bytes.Cut(rest, []byte("?>")); ok {
			return bytes.TrimSpace(after)
		}
	}
	return b
}
