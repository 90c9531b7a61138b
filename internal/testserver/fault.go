package testserver

import (
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Fault is a set of ways in which a domain misbehaves.
//
// The faults of what a reply says exclude each other, and so do those of how it is delivered;
// where a domain has several of one kind, its requests take turns through them.
// All others apply to every request. The unsolicited stanzas go out before the reply.
type Fault uint64

// Faults of what the reply says.
const (
	// ErrorReply answers with an error, service-unavailable.
	ErrorReply Fault = 1 << iota
	// ErrorBare answers with an <error/> that has no condition.
	ErrorBare
	// ErrorEmpty answers with an IQ of type error without a child.
	ErrorEmpty
	// EmptyResult answers with a result without a payload.
	EmptyResult
	// TextOnly answers with a result that holds text in place of a payload.
	TextOnly
	// WrongPayload answers with a result whose payload is of a foreign namespace.
	WrongPayload
	// StreamsReply answers with an element of the streams namespace deep inside the payload.
	StreamsReply
	// HugeReply answers with an attribute of [FaultOptions.Bytes].
	HugeReply
	// DeepReply answers with elements nested [FaultOptions.Depth] deep.
	DeepReply
	// EndlessRSM answers requests for items with a page that always has a next one (XEP-0059), and others well.
	EndlessRSM
	// NotFound lets the home server answer that the domain does not exist.
	NotFound
	// Unreachable lets the home server answer that the domain cannot be reached in time.
	Unreachable
)

// Faults of how the reply is delivered.
const (
	// NoReply never answers.
	NoReply Fault = 1 << (iota + 16)
	// Held answers when the test says so, by [Host.Release].
	Held
	// Delayed answers after [FaultOptions.Delay].
	Delayed
	// SlowDrip answers a few bytes at a time, and holds up the whole session with that.
	SlowDrip
	// CutOff closes the connection in the middle of the reply.
	CutOff
	// HalfOpen lets the server stop reading and writing on the connection, which stays open; [Server.Resume] ends it.
	HalfOpen
)

// Faults that change any reply.
const (
	// WrongFrom answers from another domain.
	WrongFrom Fault = 1 << (iota + 26)
	// NoFrom answers without a sender.
	NoFrom
	// WrongID answers with an id that nobody used.
	WrongID
	// Duplicate answers twice.
	Duplicate
	// TextBefore puts text before the payload or the <error/>.
	TextBefore
	// Spoofed has another domain forge an error and a result with the request's id before the reply comes.
	Spoofed
)

// Faults that send something unsolicited with each request; see [Attacks] for the stanzas.
const (
	// BadAddresses sends stanzas from addresses that servers relay, but that stricter software refuses.
	BadAddresses Fault = 1 << (iota + 36)
	// EmptyIQs sends IQs without a child, and of wrong types or none.
	EmptyIQs
	// StreamsStanza sends elements of the streams namespace at several depths.
	StreamsStanza
	// OddStanzas sends text, unknown types and other things out of place.
	OddStanzas
	// HugeStanza sends an attribute of [FaultOptions.Bytes].
	HugeStanza
	// DeepStanza sends elements nested [FaultOptions.Depth] deep.
	DeepStanza
	// EventFlood sends [FaultOptions.Flood] event notifications.
	EventFlood
	// ForgedReplies sends replies with the ids of the latest requests to other domains.
	ForgedReplies
)

// Groups of faults.
const (
	shapeFaults    = Unreachable<<1 - 1
	deliveryFaults = (HalfOpen<<1 - 1) &^ (NoReply - 1)

	// SessionFaults are those that no remote domain can do to a session, only the session's own server.
	SessionFaults = SlowDrip | CutOff | HalfOpen
	// RemoteFaults are all that a remote domain can do through an honest server that relays its stanzas.
	RemoteFaults = shapeFaults | deliveryFaults&^SessionFaults | (Spoofed<<1-1)&^(WrongFrom-1) | (ForgedReplies<<1-1)&^(BadAddresses-1)
)

var faultNames = map[Fault]string{
	ErrorReply: "ErrorReply", ErrorBare: "ErrorBare", ErrorEmpty: "ErrorEmpty", EmptyResult: "EmptyResult", TextOnly: "TextOnly",
	WrongPayload: "WrongPayload", StreamsReply: "StreamsReply", HugeReply: "HugeReply", DeepReply: "DeepReply", EndlessRSM: "EndlessRSM",
	NotFound: "NotFound", Unreachable: "Unreachable",
	NoReply: "NoReply", Held: "Held", Delayed: "Delayed", SlowDrip: "SlowDrip", CutOff: "CutOff", HalfOpen: "HalfOpen",
	WrongFrom: "WrongFrom", NoFrom: "NoFrom", WrongID: "WrongID", Duplicate: "Duplicate", TextBefore: "TextBefore", Spoofed: "Spoofed",
	BadAddresses: "BadAddresses", EmptyIQs: "EmptyIQs", StreamsStanza: "StreamsStanza", OddStanzas: "OddStanzas",
	HugeStanza: "HugeStanza", DeepStanza: "DeepStanza", EventFlood: "EventFlood", ForgedReplies: "ForgedReplies",
}

// Faults returns every single fault, in the order of their values.
func Faults() []Fault {
	var all []Fault
	for i := range 64 {
		if f := Fault(1) << i; faultNames[f] != "" {
			all = append(all, f)
		}
	}
	return all
}

// String returns the names of the set's faults.
func (f Fault) String() string {
	if f == 0 {
		return "none"
	}
	var names []string
	for ; f != 0; f &= f - 1 {
		one := f & -f
		name := faultNames[one]
		if name == "" {
			name = "Fault(1<<" + itoa(bits.TrailingZeros64(uint64(one))) + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, "|")
}

// turn picks one fault of a group, a different one each time.
func (f Fault) turn(group Fault, n int) Fault {
	f &= group
	if f == 0 {
		return 0
	}
	for range n % bits.OnesCount64(uint64(f)) {
		f &= f - 1
	}
	return f & -f
}

// FaultOptions tunes faults. The zero value works.
type FaultOptions struct {
	// Delay of a Delayed reply, by default 50 ms.
	Delay time.Duration
	// DripBytes and DripPause are the pace of SlowDrip, by default 64 bytes every millisecond.
	DripBytes int
	DripPause time.Duration
	// Bytes of huge attributes, by default 5 MB.
	Bytes int
	// Depth of deep nesting, by default 200,000.
	Depth int
	// Flood is the number of events in a flood, by default 100.
	Flood int
}

func (o FaultOptions) withDefaults() FaultOptions {
	if o.Delay == 0 {
		o.Delay = 50 * time.Millisecond
	}
	if o.DripBytes == 0 {
		o.DripBytes = 64
	}
	if o.DripPause == 0 {
		o.DripPause = time.Millisecond
	}
	if o.Bytes == 0 {
		o.Bytes = 5_000_000
	}
	if o.Depth == 0 {
		o.Depth = 200_000
	}
	if o.Flood == 0 {
		o.Flood = 100
	}
	return o
}

// misbehave answers a request in a faulty way. pay and e are what the honest answer would be.
func (r *request) misbehave(f Fault, opts FaultOptions, turn int, pay []byte, e *stanzaError) {
	c, opts := r.c, opts.withDefaults()
	c.out.put(r.unsolicited(f, opts)...)
	if f&Spoofed != 0 {
		c.out.put(segment{b: r.forged(r.id, "attacker.invalid")})
	}
	reply := r.shape(f, opts, turn, pay, e)
	if f&Duplicate != 0 {
		reply = append(reply, reply...)
	}
	switch f.turn(deliveryFaults, turn) {
	case NoReply:
	case Held:
		r.host.mu.Lock()
		defer r.host.mu.Unlock()
		r.host.held = append(r.host.held, func() { c.sendAll(reply) })
	case Delayed:
		c.srv.spawn(func() {
			if c.srv.pause(opts.Delay, c.dead) {
				c.sendAll(reply)
			}
		})
	case SlowDrip:
		for i := range reply {
			reply[i].shared, reply[i].step, reply[i].pause = true, opts.DripBytes, opts.DripPause
		}
		c.out.put(reply...)
	case CutOff:
		half := reply[0]
		half.b = half.b[:len(half.b)/2]
		c.out.put(half, segment{kill: true})
	case HalfOpen:
		c.freeze()
	default:
		c.srv.sent.Add(1)
		c.out.put(reply...)
	}
}

// shape makes the reply, in pieces that the caller may keep.
func (r *request) shape(f Fault, opts FaultOptions, turn int, pay []byte, e *stanzaError) []segment {
	one := func(b []byte) []segment { return []segment{{b: b}} }
	switch f.turn(shapeFaults, turn) {
	case ErrorReply:
		pay, e = nil, &stanzaError{typ: "cancel", condition: "service-unavailable"}
	case ErrorBare:
		return one(append(r.faultyHead(f, "error"), "<error type='cancel'/></iq>"...))
	case ErrorEmpty:
		return one(append(r.faultyHead(f, "error"), "</iq>"...))
	case EmptyResult:
		pay, e = nil, nil
	case TextOnly:
		return one(append(r.faultyHead(f, "result"), "no element here</iq>"...))
	case WrongPayload:
		pay, e = []byte("<zork xmlns='urn:example:zork'><a/></zork>"), nil
	case StreamsReply:
		return one(append(r.faultyHead(f, "result"), "<a xmlns='urn:example:a'><b><features xmlns='"+nsStream+"'/></b></a></iq>"...))
	case HugeReply:
		head := append(r.faultyHead(f, "result"), "<query xmlns='"+nsDiscoInfo+"' filler='"...)
		return []segment{{b: head}, fill("f", opts.Bytes), {b: []byte("'/></iq>")}}
	case DeepReply:
		head := append(r.faultyHead(f, "result"), "<query xmlns='"+nsDiscoInfo+"'>"...)
		return []segment{{b: head}, fill("<a>", opts.Depth), fill("</a>", opts.Depth), {b: []byte("</query></iq>")}}
	case EndlessRSM:
		if endless := r.endless(); endless != nil {
			pay, e = endless, nil
		}
	case NotFound:
		return one(r.unreachable("remote-server-not-found"))
	case Unreachable:
		return one(r.unreachable("remote-server-timeout"))
	}
	if e != nil {
		whole := r.appendError(nil, r.host.brand(), *e)
		start := tagEnd(whole)
		return one(append(r.faultyHead(f, "error"), whole[start:]...))
	}
	b := append(r.faultyHead(f, "result"), pay...)
	return one(append(b, "</iq>"...))
}

// faultyHead renders the start tag of a reply, and text after it, as the faults have it.
func (r *request) faultyHead(f Fault, typ string) []byte {
	b := appendAttr([]byte("<iq"), "type", typ)
	if f&WrongID != 0 {
		b = appendAttr(b, "id", "nobodys-"+r.id)
	} else {
		b = appendAttr(b, "id", r.id)
	}
	switch {
	case f&WrongFrom != 0:
		b = appendAttr(b, "from", "other."+domainOf(r.to))
	case f&NoFrom == 0:
		b = appendAttr(b, "from", r.to)
	}
	b = append(appendAttr(b, "to", r.from), '>')
	if f&TextBefore != 0 {
		b = append(b, "text out of place"...)
	}
	return b
}

// endless renders a page of items that claims to have a next one, nil if the request is for something else.
func (r *request) endless() []byte {
	p := r.payload
	pubsubItems := p.is(nsPubSub, "pubsub") && p.first().local() == "items"
	if !pubsubItems && !p.is(nsDiscoItems, "query") {
		return nil
	}
	page, _ := strconv.Atoi(p.child("set").child("after").text())
	set := "<set xmlns='" + nsRSM + "'><first index='" + itoa(page) + "'>" + itoa(page) + "</first><last>" +
		itoa(page+1) + "</last><count>2000000000</count></set>"
	name := itoa(page)
	if pubsubItems {
		b := appendAttr([]byte("<pubsub xmlns='"+nsPubSub+"'><items"), "node", p.first().attr("node"))
		b = append(b, "><item id='"+name+"'><a xmlns='urn:example:a'/></item></items>"...)
		return append(append(b, set...), "</pubsub>"...)
	}
	b := appendQuery(nil, nsDiscoItems, p.attr("node"))
	b = append(appendAttr(append(b, "<item"...), "jid", "i"+name+"."+r.host.Name()), "/>"...)
	return append(append(b, set...), "</query>"...)
}

// forged renders an error and a result in reply to a request that was sent to somebody else.
func (r *request) forged(id, from string) []byte {
	var b []byte
	for _, s := range []struct{ typ, payload string }{
		{"error", "<error type='cancel'><item-not-found xmlns='" + nsStanzas + "'/></error>"},
		{"result", "<query xmlns='" + nsDiscoInfo + "'><identity category='server' type='im' name='forged'/><feature var='urn:example:forged'/></query>"},
	} {
		b = appendAttr(append(b, "<iq"...), "type", s.typ)
		b = appendAttr(b, "id", id)
		b = appendAttr(b, "from", from)
		b = append(appendAttr(b, "to", r.from), '>')
		b = append(append(b, s.payload...), "</iq>"...)
	}
	return b
}
