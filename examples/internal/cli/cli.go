// Package cli holds what the programs of this module have in common on their command lines: how they name an account and read
// its secret, whom they trust, and how they log.
package cli

import (
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"mellium.im/xmpp/jid"
)

// List is a flag that can be repeated.
type List []string

// String implements flag.Value.
func (l *List) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *List) Set(s string) error {
	*l = append(*l, strings.TrimSpace(s))
	return nil
}

// Address returns the address of the account or of the component, of which one is empty.
func Address(account, component string) (jid.JID, error) {
	s := account + component
	addr, err := jid.Parse(s)
	switch {
	case err != nil:
		return jid.JID{}, fmt.Errorf("address %q: %w", s, err)
	case account != "" && addr.Localpart() == "":
		return jid.JID{}, fmt.Errorf("-jid %q has no user before an @", s)
	case component != "" && addr.Localpart() != "":
		return jid.JID{}, fmt.Errorf("-component %q is not a domain", s)
	}
	return addr, nil
}

// Secret returns the content of a file without the line end that editors leave there.
func Secret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return s, nil
}

// Roots returns the authorities of the system and those in a file (PEM).
func Roots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}

// Logger returns a logger in the format "json" or, for any other, in text.
func Logger(w io.Writer, format string, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
