package connect

import (
	"errors"
	"fmt"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

// The reasons for which a connection cannot be made, for use with errors.Is.
// They come wrapped in an [*Error].
var (
	// ErrCredentials means a wrong password or a wrong secret.
	// The session does not try them again: servers lock accounts that do.
	ErrCredentials = errors.New("credentials refused")
	// ErrCertificate means that the server's certificate could not be verified.
	ErrCertificate = errors.New("certificate not trusted")
	// ErrHostUnknown means that the server does not serve the domain, or has no such component configured.
	ErrHostUnknown = errors.New("host unknown to the server")
	// ErrUnreachable means that no server could be found or connected to.
	ErrUnreachable = errors.New("server unreachable")
	// ErrUnencrypted means that the server offers no TLS.
	ErrUnencrypted = errors.New("server offers no encryption")
	// ErrMechanism means that the server offers no SASL mechanism that is known here.
	ErrMechanism = errors.New("no common authentication mechanism")
	// ErrConflict means that another connection holds the same address.
	ErrConflict = errors.New("address in use")
	// ErrProtocol means that the peer does not speak XMPP as expected.
	ErrProtocol = errors.New("unexpected answer")
)

// The errors of a session in use.
var (
	// ErrDisconnected means that the stream ended before the reply came.
	// Whether the request was carried out is not known.
	ErrDisconnected = roundtrip.ErrDisconnected
	// ErrClosed means that [Session.Close] was called; it wraps [ErrDisconnected].
	ErrClosed = fmt.Errorf("session closed: %w", roundtrip.ErrDisconnected)
	// ErrTooLarge means that a stanza exceeds [Config.MaxSend], beyond which servers close the stream.
	ErrTooLarge = errors.New("stanza larger than servers accept")
)

// maxErrorText bounds the text of an [Error], in bytes.
const maxErrorText = 4 << 10

// Error tells why a connection could not be made, and what to do about it.
type Error struct {
	// Op is the step that failed: config, dial, tls, stream, auth, bind or handshake.
	Op string
	// Addr is the address of the account or component.
	Addr string
	// Server is the host and port that was connected to, empty before there was one.
	Server string
	// Kind is one of the reasons listed above, nil for none of them.
	Kind error
	// Err is the cause, nil if Kind says it all.
	Err error
	// Remedy says what to change, empty if that is not known.
	Remedy string
}

// Error returns the step, the reason and the remedy.
func (e *Error) Error() string {
	out := "connect: " + e.Op + " " + e.Addr
	if e.Server != "" {
		out += " at " + e.Server
	}
	if e.Kind != nil {
		out += ": " + e.Kind.Error()
	}
	if e.Err != nil {
		out += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		out += " (" + e.Remedy + ")"
	}
	// Not even the names in a certificate that nobody vouches for may give orders to a terminal.
	return printable(out, maxErrorText)
}

// Unwrap returns the reason and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// permanent reports whether trying again is pointless or harmful until a human has changed something.
func permanent(err error) bool {
	return errors.Is(err, ErrCredentials)
}
