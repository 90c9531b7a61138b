package exclusion

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// maxFile bounds a file in bytes: a hundred thousand domains, which is more than there are.
	maxFile = 4 << 20
	// below marks a line that stands for all subdomains.
	below = "*."
)

// Names are domains, and domains below which all others are meant.
type Names struct {
	exact, below map[xep.Name]struct{}
}

// Has reports whether a domain is among the names.
func (n Names) Has(name xep.Name) bool {
	if _, ok := n.exact[name]; ok {
		return true
	}
	if len(n.below) == 0 || name.IsIP() {
		return false
	}
	for rest := name.String(); ; {
		_, up, more := strings.Cut(rest, ".")
		if !more {
			return false
		}
		// A part of a canonical name is canonical.
		parent, err := xep.ParseName(up)
		if err != nil {
			return false
		}
		if _, ok := n.below[parent]; ok {
			return true
		}
		rest = up
	}
}

// Len returns the number of lines that name something.
func (n Names) Len() int { return len(n.exact) + len(n.below) }

// Parse reads one domain per line. "*.example.org" stands for every subdomain of example.org, and not for itself.
// What follows a # is a comment.
//
// A line that is no domain is an error with its number: whoever is left out by mistake would be asked and shown.
func Parse(b []byte) (Names, error) {
	n := Names{exact: make(map[xep.Name]struct{}), below: make(map[xep.Name]struct{})}
	if len(b) > maxFile {
		return n, fmt.Errorf("more than %d bytes", maxFile)
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for number := 1; lines.Scan(); number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		domain, subdomains := strings.CutPrefix(text, below)
		name, err := xep.ParseName(domain)
		switch {
		case err != nil:
			return n, fmt.Errorf("line %d: %w", number, err)
		case subdomains && name.IsIP():
			return n, fmt.Errorf("line %d: %q has no subdomains", number, domain)
		case subdomains:
			n.below[name] = struct{}{}
		default:
			n.exact[name] = struct{}{}
		}
	}
	if err := lines.Err(); err != nil {
		return n, err
	}
	return n, nil
}

// ReadFile reads a file for [Parse]. The error names the file.
func ReadFile(path string) (Names, error) {
	f, err := os.Open(path)
	if err != nil {
		return Names{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Names{}, err
	}
	n, err := Parse(b)
	if err != nil {
		return Names{}, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}
