package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The bounds on a list of connections.
const (
	maxLine  = 4096
	maxLines = 1_000_000
)

// sourceKind splits the flag's value.
func sourceKind(s string) (kind, arg string, err error) {
	kind, arg, hasArg := strings.Cut(s, ":")
	switch kind {
	case "prosody", "ejabberd":
		if !hasArg {
			return kind, "", nil
		}
	case "prosody-socket":
		if !hasArg || strings.TrimSpace(arg) != "" {
			return kind, arg, nil
		}
	case "file", "exec":
		if strings.TrimSpace(arg) != "" {
			return kind, arg, nil
		}
	}
	return "", "", fmt.Errorf("-source %q is neither prosody, prosody-socket[:PATH], ejabberd, file:PATH nor exec:CMD", s)
}

func newSource(c *config, s report.Session) (report.Source, error) {
	kind, arg, err := sourceKind(c.source)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "prosody-socket":
		return report.ProsodySocket{Path: arg}, nil
	case "file":
		return ofFirst(c, func(context.Context) ([]report.Connection, error) { return readFile(arg) }), nil
	case "exec":
		return ofFirst(c, func(ctx context.Context) ([]report.Connection, error) { return readCommand(ctx, arg) }), nil
	}
	var sources []report.Source
	for _, d := range c.locals() {
		host, err := jid.Parse(d)
		if err != nil {
			return nil, err
		}
		if kind == "ejabberd" {
			sources = append(sources, report.EjabberdOutgoing{Session: s, Host: host})
		} else {
			sources = append(sources, report.ProsodyAdHoc{Session: s, Host: host})
		}
	}
	return all(sources), nil
}

// ofFirst takes connections that don't say of which local domain they are for those of the first.
func ofFirst(c *config, read report.SourceFunc) report.Source {
	return report.SourceFunc(func(ctx context.Context) ([]report.Connection, error) {
		cs, err := read(ctx)
		for i := range cs {
			if cs[i].Local == "" {
				cs[i].Local = c.domains[0]
			}
		}
		return cs, err
	})
}

// all is the connections of several sources, which are known only if all are.
func all(sources []report.Source) report.Source {
	return report.SourceFunc(func(ctx context.Context) ([]report.Connection, error) {
		var out []report.Connection
		for _, s := range sources {
			cs, err := s.Connections(ctx)
			if err != nil {
				return nil, err
			}
			out = append(out, cs...)
		}
		return out, nil
	})
}

func readFile(path string) ([]report.Connection, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cs, err := readLines(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cs, nil
}

// readCommand runs a command without a shell: the words are its arguments.
func readCommand(ctx context.Context, line string) ([]report.Connection, error) {
	out, err := output(ctx, line)
	if err != nil {
		return nil, err
	}
	return readLines(bytes.NewReader(out))
}

func output(ctx context.Context, line string) ([]byte, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil, errors.New("no command")
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", words[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// readLines reads a JSON object for each connection. Empty lines and unknown fields don't matter, and anything else that
// can't be read makes the list unknown rather than shorter.
func readLines(r io.Reader) ([]report.Connection, error) {
	var cs []report.Connection
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxLine)
	for n := 1; sc.Scan(); n++ {
		line := bytes.TrimSpace(sc.Bytes())
		if len(line) == 0 {
			continue
		}
		var c report.Connection
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		switch c.Direction {
		case "", xep.Incoming, xep.Outgoing, xep.Bidi:
		default:
			return nil, fmt.Errorf("line %d: direction %q is neither incoming, outgoing nor bidi", n, c.Direction)
		}
		if c.Remote == "" {
			return nil, fmt.Errorf("line %d: no remote domain", n)
		}
		if cs = append(cs, c); len(cs) > maxLines {
			return nil, errors.New("too many connections")
		}
	}
	return cs, sc.Err()
}
