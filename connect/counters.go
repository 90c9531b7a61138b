package connect

import "sync/atomic"

// Counters are what a session has counted since it was made, over all of its connections.
type Counters struct {
	// Connects is the number of connections that became ready, Losses the number of those that ended unasked, and
	// Failures the number of attempts to reconnect that failed.
	Connects, Losses, Failures uint64
	// BytesIn and BytesOut count what was read and written, TLS not included.
	BytesIn, BytesOut uint64
	// StanzasIn and StanzasOut count whole stanzas.
	StanzasIn, StanzasOut uint64
	// Requests is the number of requests sent, and Replies that of replies that reached the one who waited.
	Requests, Replies uint64
	// Late is the number of replies that nobody waited for any more, or ever did.
	Late uint64
	// Spoofed is the number of replies that came from another address than the request went to.
	Spoofed uint64
	// Pings is the number of pings sent to the own server.
	Pings uint64
	// Handled is the number of stanzas given to the handler, HandlerFailures that of those that it panicked on, returned
	// an error for or answered with something malformed.
	Handled, HandlerFailures uint64

	// Dropped is the number of stanzas that were not let through, the sum of the ones below.
	Dropped uint64
	// DroppedSize and DroppedDepth exceeded a limit.
	DroppedSize, DroppedDepth uint64
	// DroppedXML were not well-formed, or held comments or processing instructions.
	DroppedXML uint64
	// DroppedStream held elements of the namespace of streams.
	DroppedStream uint64
	// DroppedAddress had a sender or addressee that is no valid address.
	DroppedAddress uint64
	// DroppedShape were no stanzas, or requests without exactly one child or an id.
	DroppedShape uint64
	// DroppedChildren were messages or presence with so many children that they would have cost the handler their square.
	DroppedChildren uint64
	// DroppedShare waited for the handler with too many others of the same domain, see [Config.MaxWaiting].
	DroppedShare uint64
	// DroppedFull had to go when too many waited for the handler in all, as those of no domain took more room.
	DroppedFull uint64
}

// The counters, in an order of their own.
const (
	cConnects = iota
	cLosses
	cFailures
	cBytesIn
	cBytesOut
	cStanzasIn
	cStanzasOut
	cRequests
	cReplies
	cLate
	cSpoofed
	cPings
	cHandled
	cHandlerFailures
	cDroppedSize
	cDroppedDepth
	cDroppedXML
	cDroppedStream
	cDroppedAddress
	cDroppedShape
	cDroppedChildren
	cDroppedShare
	cDroppedFull
	counterCount
)

type counters [counterCount]atomic.Uint64

func (c *counters) add(i int) { c[i].Add(1) }

func (c *counters) snapshot() Counters {
	get := func(i int) uint64 { return c[i].Load() }
	out := Counters{
		Connects: get(cConnects), Losses: get(cLosses), Failures: get(cFailures),
		BytesIn: get(cBytesIn), BytesOut: get(cBytesOut),
		StanzasIn: get(cStanzasIn), StanzasOut: get(cStanzasOut),
		Requests: get(cRequests), Replies: get(cReplies), Late: get(cLate), Spoofed: get(cSpoofed), Pings: get(cPings),
		Handled: get(cHandled), HandlerFailures: get(cHandlerFailures),
		DroppedSize: get(cDroppedSize), DroppedDepth: get(cDroppedDepth), DroppedXML: get(cDroppedXML),
		DroppedStream: get(cDroppedStream), DroppedAddress: get(cDroppedAddress),
		DroppedShape: get(cDroppedShape), DroppedChildren: get(cDroppedChildren), DroppedShare: get(cDroppedShare), DroppedFull: get(cDroppedFull),
	}
	for i := cDroppedSize; i <= cDroppedFull; i++ {
		out.Dropped += get(i)
	}
	return out
}
