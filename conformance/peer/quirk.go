package peer

import (
	"strings"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// Quirks are oddities of a domain on the wire that do no harm, but that a consumer must cope with. They can be combined.
type Quirks uint32

// The quirks.
const (
	// TwoForms answers disco#info with a second form of the same FORM_TYPE before the one that names the node (XEP-0157).
	TwoForms Quirks = 1 << iota
	// FormListMulti gives the field that names the node the type list-multi.
	FormListMulti
	// FormUntyped gives it no type.
	FormUntyped
	// NodeWithoutFeature names the node in the form without advertising the feature: no sign of consent.
	NodeWithoutFeature
	// NoForm advertises the feature without a form, so that the default node holds.
	NoForm
	// DuplicatePeers lists every peer twice.
	DuplicatePeers
	// SeveralDomains adds a second domain, "vhost.<domain>", to the payload.
	SeveralDomains
	// Extensions adds elements of foreign namespaces at every level of the payload.
	Extensions
	// SoftwareVersion adds elements of XEP-0092 to the payload.
	SoftwareVersion
	// ExposePublisher adds the publisher attribute to items (XEP-0060 §7.1.2.3).
	ExposePublisher
	// UpperCase writes domain names in upper case.
	UpperCase
	// TrailingDots writes a dot after domain names.
	TrailingDots
)

var quirkNames = [...]string{"TwoForms", "FormListMulti", "FormUntyped", "NodeWithoutFeature", "NoForm", "DuplicatePeers", "SeveralDomains",
	"Extensions", "SoftwareVersion", "ExposePublisher", "UpperCase", "TrailingDots"}

// String returns the names of the quirks in the set, "none" if it is empty.
func (q Quirks) String() string {
	var names []string
	for i, name := range quirkNames {
		if q&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, "|")
}

// Fault is a set of ways in which a domain on the wire misbehaves.
//
// The faults of what a reply says exclude each other, and so do those of how it is delivered: where a domain has several of a
// kind, its requests take turns through them. All others apply to every request.
type Fault uint64

// Faults of what the reply says.
const (
	// ErrorReply answers with the error service-unavailable.
	ErrorReply Fault = 1 << iota
	// ErrorBare answers with an <error/> that has no condition.
	ErrorBare
	// ErrorEmpty answers with an iq of type error without a child.
	ErrorEmpty
	// EmptyResult answers with a result without a payload.
	EmptyResult
	// TextOnly answers with text in place of a payload.
	TextOnly
	// WrongPayload answers with a payload of another namespace.
	WrongPayload
	// StreamsReply answers with an element of the streams namespace deep inside the payload, which ends streams of some libraries.
	StreamsReply
	// HugeReply answers with an attribute of 5 MB.
	HugeReply
	// DeepReply answers with elements nested 200,000 deep.
	DeepReply
	// EndlessRSM answers requests for items with a page that always has a next one (XEP-0059).
	EndlessRSM
	// NotFound lets the home server answer that the domain does not exist.
	NotFound
	// TimedOut lets the home server answer that the domain can't be reached in time.
	TimedOut
)

// Faults of how the reply is delivered.
const (
	// NoReply never answers.
	NoReply Fault = 1 << (iota + 16)
	// Held answers when the test says so, see [Remote.Release].
	Held
	// Delayed answers after 50 ms.
	Delayed
	// SlowDrip answers 64 bytes at a time, a millisecond apart, and holds up the whole session with that.
	SlowDrip
	// CutOff closes the connection in the middle of the reply.
	CutOff
	// HalfOpen lets the server fall silent on the connection, which stays open.
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

// Faults that send something unsolicited with each request.
const (
	// BadAddresses sends stanzas from addresses that servers relay, but that stricter software refuses.
	BadAddresses Fault = 1 << (iota + 36)
	// EmptyIQs sends iqs without a child, and of wrong types or none.
	EmptyIQs
	// StreamsStanza sends elements of the streams namespace at several depths.
	StreamsStanza
	// OddStanzas sends text, unknown types and other things out of place.
	OddStanzas
	// HugeStanza sends an attribute of 5 MB.
	HugeStanza
	// DeepStanza sends elements nested 200,000 deep.
	DeepStanza
	// EventFlood sends 100 pubsub events.
	EventFlood
	// ForgedReplies sends replies with the ids of the latest requests to other domains.
	ForgedReplies
)

// Groups of faults.
const (
	// SessionFaults are those that only the session's own server can do to it.
	SessionFaults Fault = SlowDrip | CutOff | HalfOpen
	// RemoteFaults are all that a domain can do through an honest server that relays its stanzas.
	RemoteFaults Fault = (TimedOut<<1-1)&^(ErrorReply-1) | (HalfOpen<<1-1)&^(NoReply-1)&^SessionFaults |
		(Spoofed<<1-1)&^(WrongFrom-1) | (ForgedReplies<<1-1)&^(BadAddresses-1)
)

// AllQuirks returns every single quirk.
func AllQuirks() []Quirks {
	var all []Quirks
	for q := TwoForms; q <= TrailingDots; q <<= 1 {
		all = append(all, q)
	}
	return all
}

// AllFaults returns every single fault.
func AllFaults() []Fault {
	var all []Fault
	for _, f := range testserver.Faults() {
		all = append(all, Fault(f))
	}
	return all
}

// String returns the names of the faults in the set.
func (f Fault) String() string {
	return strings.ReplaceAll(testserver.Fault(f).String(), testserver.Unreachable.String(), "TimedOut")
}
