package report

import (
	"context"

	"github.com/xmppgraph/xmppgraph/xep"
)

// Connection is one live, authenticated server-to-server stream.
type Connection struct {
	// Local is the domain of ours that the stream is for, empty if the source knows of one only.
	Local string `json:"local,omitempty"`
	// Remote is the domain on the other side, as it authenticated itself.
	Remote string `json:"remote"`
	// Direction is the direction of the stream, empty if it is not known.
	Direction xep.Direction `json:"direction,omitempty"`
}

// Source tells which connections are live.
//
// Connections returns all of them, in any order; they belong to the caller.
// An error means that they are not known now, in which case nothing new is published.
// A stream whose other side has not proved its name must not be among them: anyone can claim to be anybody.
// It must be safe for concurrent use.
type Source interface {
	Connections(ctx context.Context) ([]Connection, error)
}

// SourceFunc is a function that is a [Source].
type SourceFunc func(ctx context.Context) ([]Connection, error)

// Connections implements [Source].
func (f SourceFunc) Connections(ctx context.Context) ([]Connection, error) { return f(ctx) }
