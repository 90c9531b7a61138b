package graph

import (
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

// Report is what one domain says about its federation, after it was bound to that domain.
type Report struct {
	// Domain is the domain that reports.
	Domain xep.Name
	// At is when the report was received, the present where it is zero; a later time counts as the present.
	At time.Time
	// Until is the end of the domain's own verdict.
	// A time that isn't after At says that the domain may not be named: its report is kept, but shown only once consent arrives.
	Until time.Time
	// Peers are the named remote domains. The order has no meaning, a duplicate is merged, and the reporter itself is ignored.
	Peers []Peer
	// Unnamed is the number of remote domains without a name; below zero counts as zero, and above 1,048,576 as that.
	Unnamed int
	// Software and Version are those of XEP-0092, empty where they were not given. They are the reporter's words, not checked.
	Software, Version string
	// Users is the number of active users, nil where it was not given.
	Users *uint64
}

// Peer is a remote domain that a report names.
type Peer struct {
	// Name is the remote domain.
	Name xep.Name
	// Until is the end of the peer's own verdict. A time that isn't after the report's is no evidence, neither for nor against.
	Until time.Time
	// Directions are those of the connections as the reporter sees them, zero where it enumerates none.
	Directions Directions
}

// Directions is a set of connection directions (XEP-0485 §4), as seen by the domain that reports them.
type Directions uint8

// The directions that a connection can have.
const (
	// In stands for connections that the peer opened.
	In Directions = 1 << iota
	// Out stands for connections that the reporter opened.
	Out
	// Bidi stands for connections that carry stanzas both ways (XEP-0288).
	Bidi

	allDirections = In | Out | Bidi
)

// DirectionsOf collects the directions of connections as they were on the wire.
//
// Old publishers write "both" for bidi; any other value is ignored.
func DirectionsOf(wire ...xep.Direction) Directions {
	var d Directions
	for _, w := range wire {
		switch w {
		case xep.Incoming:
			d |= In
		case xep.Outgoing:
			d |= Out
		case xep.Bidi, "both":
			d |= Bidi
		}
	}
	return d
}

// String lists the directions by the names of XEP-0485 §4, comma separated, empty for the empty set.
func (d Directions) String() string {
	var parts [3]string
	out := parts[:0]
	for _, p := range [...]struct {
		bit  Directions
		name xep.Direction
	}{{In, xep.Incoming}, {Out, xep.Outgoing}, {Bidi, xep.Bidi}} {
		if d&p.bit != 0 {
			out = append(out, string(p.name))
		}
	}
	return strings.Join(out, ",")
}
