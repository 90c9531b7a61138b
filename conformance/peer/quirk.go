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
	TwoForms = Quirks(testserver.TwoForms)
	// FormListMulti gives the field that names the node the type list-multi.
	FormListMulti = Quirks(testserver.FormListMulti)
	// FormUntyped gives it no type.
	FormUntyped = Quirks(testserver.FormUntyped)
	// NodeWithoutFeature names the node in the form without advertising the feature: no sign of consent.
	NodeWithoutFeature = Quirks(testserver.FormOnly)
	// NoForm advertises the feature without a form, so that the default node holds.
	NoForm = Quirks(testserver.NoForm)
	// DuplicatePeers lists every peer twice.
	DuplicatePeers = Quirks(testserver.DuplicatePeers)
	// SeveralDomains adds a second domain, "vhost.<domain>", to the payload.
	SeveralDomains = Quirks(testserver.SeveralDomains)
	// Extensions adds elements of foreign namespaces at every level of the payload.
	Extensions = Quirks(testserver.Extensions)
	// SoftwareVersion adds elements of XEP-0092 to the payload.
	SoftwareVersion = Quirks(testserver.SoftwareVersion)
	// ExposePublisher adds the publisher attribute to items (XEP-0060 §7.1.2.3).
	ExposePublisher = Quirks(testserver.ExposePublisher)
	// UpperCase writes domain names in upper case.
	UpperCase = Quirks(testserver.UpperCase)
	// TrailingDots writes a dot after domain names.
	TrailingDots = Quirks(testserver.TrailingDots)
)

// Fault is a set of ways in which a domain on the wire misbehaves.
//
// The faults of what a reply says exclude each other, and so do those of how it is delivered: where a domain has several of a
// kind, its requests take turns through them. All others apply to every request.
type Fault uint64

// Faults of what the reply says.
const (
	// ErrorReply answers with the error service-unavailable.
	ErrorReply = Fault(testserver.ErrorReply)
	// ErrorBare answers with an <error/> that has no condition.
	ErrorBare = Fault(testserver.ErrorBare)
	// ErrorEmpty answers with an iq of type error without a child.
	ErrorEmpty = Fault(testserver.ErrorEmpty)
	// EmptyResult answers with a result without a payload.
	EmptyResult = Fault(testserver.EmptyResult)
	// TextOnly answers with text in place of a payload.
	TextOnly = Fault(testserver.TextOnly)
	// WrongPayload answers with a payload of another namespace.
	WrongPayload = Fault(testserver.WrongPayload)
	// StreamsReply answers with an element of the streams namespace deep inside the payload, which ends streams of some libraries.
	StreamsReply = Fault(testserver.StreamsReply)
	// HugeReply answers with an attribute of 5 MB.
	HugeReply = Fault(testserver.HugeReply)
	// DeepReply answers with elements nested 200,000 deep.
	DeepReply = Fault(testserver.DeepReply)
	// EndlessRSM answers requests for items with a page that always has a next one (XEP-0059).
	EndlessRSM = Fault(testserver.EndlessRSM)
	// NotFound lets the home server answer that the domain does not exist.
	NotFound = Fault(testserver.NotFound)
	// TimedOut lets the home server answer that the domain can't be reached in time.
	TimedOut = Fault(testserver.Unreachable)
)

// Faults of how the reply is delivered.
const (
	// NoReply never answers.
	NoReply = Fault(testserver.NoReply)
	// Held answers when the test says so, see [Remote.Release].
	Held = Fault(testserver.Held)
	// Delayed answers after 50 ms.
	Delayed = Fault(testserver.Delayed)
	// SlowDrip answers 64 bytes at a time, a millisecond apart, and holds up the whole session with that.
	SlowDrip = Fault(testserver.SlowDrip)
	// CutOff closes the connection in the middle of the reply.
	CutOff = Fault(testserver.CutOff)
	// HalfOpen lets the server fall silent on the connection, which stays open.
	HalfOpen = Fault(testserver.HalfOpen)
)

// Faults that change any reply.
const (
	// WrongFrom answers from another domain.
	WrongFrom = Fault(testserver.WrongFrom)
	// NoFrom answers without a sender.
	NoFrom = Fault(testserver.NoFrom)
	// WrongID answers with an id that nobody used.
	WrongID = Fault(testserver.WrongID)
	// Duplicate answers twice.
	Duplicate = Fault(testserver.Duplicate)
	// TextBefore puts text before the payload or the <error/>.
	TextBefore = Fault(testserver.TextBefore)
	// Spoofed has another domain forge an error and a result with the request's id before the reply comes.
	Spoofed = Fault(testserver.Spoofed)
)

// Faults that send something unsolicited with each request.
const (
	// BadAddresses sends stanzas from addresses that servers relay, but that stricter software refuses.
	BadAddresses = Fault(testserver.BadAddresses)
	// EmptyIQs sends iqs without a child, and of wrong types or none.
	EmptyIQs = Fault(testserver.EmptyIQs)
	// StreamsStanza sends elements of the streams namespace at several depths.
	StreamsStanza = Fault(testserver.StreamsStanza)
	// OddStanzas sends text, unknown types and other things out of place.
	OddStanzas = Fault(testserver.OddStanzas)
	// HugeStanza sends an attribute of 5 MB.
	HugeStanza = Fault(testserver.HugeStanza)
	// DeepStanza sends elements nested 200,000 deep.
	DeepStanza = Fault(testserver.DeepStanza)
	// EventFlood sends 100 pubsub events.
	EventFlood = Fault(testserver.EventFlood)
	// ForgedReplies sends replies with the ids of the latest requests to other domains.
	ForgedReplies = Fault(testserver.ForgedReplies)
)

// Groups of faults.
const (
	// SessionFaults are those that only the session's own server can do to it.
	SessionFaults = Fault(testserver.SessionFaults)
	// RemoteFaults are all that a domain can do through an honest server that relays its stanzas.
	RemoteFaults = Fault(testserver.RemoteFaults)
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
