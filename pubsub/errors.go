package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

// The operations that an [Error] can name.
const (
	OpFetch     = "fetch"
	OpDiscover  = "discover"
	OpCreate    = "create"
	OpConfigure = "configure"
	OpPublish   = "publish"
	OpRetract   = "retract"
	OpDelete    = "delete"
)

// The pubsub-specific conditions (XEP-0060 §12) to which this package reacts.
const (
	CondPayloadTooBig      = "payload-too-big"
	CondPreconditionNotMet = "precondition-not-met"
	CondUnsupported        = "unsupported"
	CondInvalidOptions     = "invalid-options"
)

// Error is what a pubsub service answered in place of a result.
type Error struct {
	// Op is what was asked for, one of the Op constants.
	Op string
	// Service and Node are what it was asked of.
	Service jid.JID
	Node    string
	// Type and Condition are those of the stanza error (RFC 6120 §8.3).
	Type      stanza.ErrorType
	Condition stanza.Condition
	// PubSub is the condition in the namespace of XEP-0060 §12, empty if there was none.
	PubSub string
	// Feature is what the condition "unsupported" says is missing.
	Feature string
	// Text is what the service said for people to read.
	// A stranger may have written it.
	Text string
	// Remedy is what the operator of the service can do about it, one line for each brand of server that is known to
	// answer like this, empty if nothing is known.
	Remedy string

	err error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q on %s: %s", e.Op, e.Node, e.Service, e.Condition)
	if e.PubSub != "" {
		fmt.Fprintf(&b, " + %s", e.PubSub)
	}
	if e.Feature != "" {
		fmt.Fprintf(&b, " (%q)", e.Feature)
	}
	if e.Text != "" {
		fmt.Fprintf(&b, ": %q", e.Text)
	}
	return b.String()
}

// Is reports whether target is an *Error whose fields are each empty or the same, the remedy and the text aside.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	if !ok {
		return false
	}
	return same(t.Op, e.Op) && same(t.Node, e.Node) && same(t.Type, e.Type) && same(t.Condition, e.Condition) &&
		same(t.PubSub, e.PubSub) && same(t.Feature, e.Feature) &&
		(t.Service.Equal(jid.JID{}) || t.Service.Equal(e.Service))
}

func same[T ~string](want, got T) bool { return want == "" || want == got }

// Unwrap returns the error reply, which in turn unwraps to a [stanza.Error].
func (e *Error) Unwrap() error { return e.err }

// Temporary reports whether the same request may succeed later without anybody changing a configuration.
//
// The error type "wait" alone is no sign of it: ejabberd uses that for options that it does not know.
func (e *Error) Temporary() bool {
	switch e.Condition {
	case stanza.RemoteServerNotFound, stanza.RemoteServerTimeout, stanza.InternalServerError, stanza.RecipientUnavailable:
		return true
	case stanza.ResourceConstraint:
		return e.Type == stanza.Wait
	}
	return false
}

// ErrTooBig is wrapped by the error of a payload that the [Publisher] refused to send.
var ErrTooBig = errors.New("payload too big")

// TooBigError is a payload above the limit: it was not sent, and the last item is still in place.
type TooBigError struct {
	// Size is the smallest form of the payload that could be made, and Limit what it may have, in bytes.
	Size, Limit int
}

// Error implements error.
func (e *TooBigError) Error() string {
	return fmt.Sprintf("publish: payload of %d bytes is above the limit of %d", e.Size, e.Limit)
}

// Unwrap returns [ErrTooBig].
func (e *TooBigError) Unwrap() error { return ErrTooBig }

// IsTemporary reports whether an error of this package may go away by itself: no answer, a lost connection, or what
// [Error.Temporary] says of an answer.
func IsTemporary(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Temporary()
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, roundtrip.ErrDisconnected)
}

// wrap is the one place where an error of a round trip becomes one of this package.
// An error that is no reply keeps its kind and learns what was being done.
func wrap(op string, service jid.JID, node string, err error) error {
	if err == nil {
		return nil
	}
	var reply *roundtrip.Error
	if !errors.As(err, &reply) {
		return fmt.Errorf("%s %q on %s: %w", op, node, service, err)
	}
	e := &Error{
		Op: op, Service: service, Node: node, err: err,
		Type: reply.Stanza.Type, Condition: reply.Stanza.Condition,
		Feature: reply.Feature, Text: reply.Text(),
	}
	for _, app := range reply.App {
		if app.Space == roundtrip.NSPubSubErrors {
			e.PubSub = app.Local
			break
		}
	}
	return e
}

// fetchError types what went wrong with a fetch.
// Nodes that keep no items are told apart because their subscribers still see the item.
func fetchError(service jid.JID, node string, err error) error {
	err = wrap(OpFetch, service, node, err)
	if errors.Is(err, &Error{PubSub: CondUnsupported, Feature: "persistent-items"}) {
		return fmt.Errorf("%w: %w", ErrNotPersistent, err)
	}
	return err
}
