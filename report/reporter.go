package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The defaults of [Reporter].
const (
	DefaultInterval  = 5 * time.Minute
	DefaultHeartbeat = time.Hour
	DefaultWarmup    = 10 * time.Second

	// probers is how many peers are asked at a time.
	probers = 64
	// withdrawal bounds what is done after the context has ended.
	withdrawal = 10 * time.Second
)

// Exit says what becomes of the item when a [Reporter] ends.
type Exit uint8

// The ways to end.
const (
	// Withdraw retracts the item, since nobody looks after the consent to it any more.
	Withdraw Exit = iota
	// Keep leaves it, for a restart that takes no longer than an hour or so.
	Keep
)

// Reporter publishes which domains a server federates with.
//
// Session, Domain, Service and Source are required, and the zero values of all others are the right ones.
// The fields must not be changed once a method was called.
type Reporter struct {
	// Session carries all requests. Its address is who owns the node.
	Session Session
	// Domain is the local domain, which must advertise the node for anybody to find it: see [Reporter.Handle].
	Domain string
	// Service is the pubsub service that holds the node.
	Service jid.JID
	// Source tells which connections are live.
	Source Source

	// Node is the name of the node, [xep.DefaultNode] if empty.
	Node string
	// Also are further local domains whose connections go into the same item. Each of them must advertise the same node.
	// Connections of any other local domain are left out.
	Also []string
	// Omit are remote domains that are not reported at all, not even counted, such as components of the server's own that
	// are not below a local domain.
	// Left out anyhow are the local domains, the pubsub service, and whatever below a local domain that lists in its
	// disco#items, which are asked for at the start and once each Heartbeat.
	Omit []string
	// Contacts are the addresses of XEP-0157 for the form that names the node.
	Contacts map[string][]string
	// Consent decides who may be named, nil means a strict [optin.Checker].
	Consent *optin.Checker
	// Counts says how the number of unnamed peers is published, exactly by default.
	Counts optin.Counts
	// Software returns what is published about the server's software, and Users its number of active users, which is
	// published with Domain. Nil, the default, publishes nothing of the kind.
	// They are called before a publication that takes place anyhow, and a change of theirs alone is no reason for one.
	// After an error the item goes without.
	Software func(context.Context) (xep.Software, error)
	Users    func(context.Context) (uint64, error)
	// Exit says what becomes of the item in the end, which is withdrawn by default.
	Exit Exit

	// Interval is the mean time between two looks at the connections, [DefaultInterval] if zero.
	// Each is lengthened or shortened at random by up to a tenth.
	Interval time.Duration
	// Heartbeat is after how long an unchanged payload is published again, [DefaultHeartbeat] if zero.
	Heartbeat time.Duration
	// Warmup bounds the wait for the peers' answers before a publication, [DefaultWarmup] if zero.
	// Who has not answered by then is not named before the next one.
	Warmup time.Duration
	// MaxPayload is the limit on the payload in bytes, [pubsub.DefaultMaxPayload] if zero.
	MaxPayload int

	// Logger gets what happens; nil means [slog.Default]. No name of a peer is ever logged.
	Logger *slog.Logger
	// Observe is called after each attempt to publish, nil means that nobody looks. It must not block.
	Observe func(Event)
	// Now is the clock, nil means time.Now.
	Now func() time.Time
	// Jitter returns numbers in [0, 1), nil means a random source.
	Jitter func() float64

	once  sync.Once
	setup *setup
	meter meter
}

// Event is one turn of a [Reporter].
type Event struct {
	// At is when it ended.
	At time.Time
	// Published tells that the item was replaced; a turn that finds nothing new leaves it.
	Published bool
	// Withdrawn tells that the item was retracted.
	Withdrawn bool
	// Named and Unnamed are how many peers the payload names and counts.
	Named, Unnamed int
	// Reduced tells that the payload was too large with the directions of the connections.
	Reduced bool
	// Err is why the turn failed, nil if it didn't.
	Err error
}

// setup is what the fields come down to.
type setup struct {
	err       error
	domain    xep.Name
	locals    []xep.Name
	omit      *optin.Set
	consent   *optin.Checker
	publisher *pubsub.Publisher

	mu      sync.Mutex
	omitted []xep.Name
}

// prepare parses the fields once.
func (r *Reporter) prepare() (*setup, error) {
	r.once.Do(func() { r.setup = r.newSetup() })
	return r.setup, r.setup.err
}

func (r *Reporter) newSetup() *setup {
	s := &setup{
		consent:   r.Consent,
		publisher: &pubsub.Publisher{Session: r.Session, Service: r.Service, Node: r.Node, MaxPayload: r.MaxPayload},
	}
	if s.consent == nil {
		s.consent = &optin.Checker{Session: r.Session, InFlight: probers, Now: r.Now, Jitter: r.Jitter}
	}
	var errs []error
	parse := func(field, name string) xep.Name {
		n, err := xep.ParseName(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", field, err))
		}
		return n
	}
	s.domain = parse("Domain", r.Domain)
	s.locals = []xep.Name{s.domain}
	for _, name := range r.Also {
		s.locals = append(s.locals, parse("Also", name))
	}
	omit := append([]xep.Name(nil), s.locals...)
	for _, name := range r.Omit {
		omit = append(omit, parse("Omit", name))
	}
	if r.Service.Equal(jid.JID{}) {
		errs = append(errs, errors.New("no Service"))
	} else if name, err := xep.NameOf(r.Service); err == nil {
		omit = append(omit, name)
	}
	if r.Session == nil {
		errs = append(errs, errors.New("no Session"))
	}
	if r.Source == nil {
		errs = append(errs, errors.New("no Source"))
	}
	s.omit, s.omitted = optin.NewSet(omit...), omit
	if err := errors.Join(errs...); err != nil {
		s.err = fmt.Errorf("report: %w", err)
	}
	return s
}

// Advert returns what the domain has to answer to disco#info so that the node can be found.
func (r *Reporter) Advert() *optin.Advert {
	s, err := r.prepare()
	if err != nil {
		// An advert of no domain is for nobody. Run returns the error.
		return &optin.Advert{}
	}
	return &optin.Advert{Domain: s.domain, Node: s.publisher.URI(), Contacts: r.Contacts}
}

// Adverts returns the adverts of all local domains, which point at the same node.
func (r *Reporter) Adverts() []*optin.Advert {
	own := r.Advert()
	adverts := []*optin.Advert{own}
	if s, err := r.prepare(); err == nil {
		for _, name := range s.locals[1:] {
			adverts = append(adverts, &optin.Advert{Domain: name, Node: own.Node, Contacts: r.Contacts})
		}
	}
	return adverts
}

// Handle returns an option that answers disco#info for the domains, see [optin.Handle].
// Where several reporters share a session, use the function [Handle].
func (r *Reporter) Handle() mux.Option { return Handle(r) }

// Features returns what a server adds to the features of its own disco#info answer.
func (r *Reporter) Features() []string { return r.Advert().Features() }

// Form returns the form for a server's own disco#info answer, with the contact addresses in it.
func (r *Reporter) Form() xep.Form { return r.Advert().Form() }

func (r *Reporter) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Reporter) logger() *slog.Logger {
	if r.Logger != nil {
		return r.Logger
	}
	return slog.Default()
}

func (r *Reporter) interval() time.Duration { return or(r.Interval, DefaultInterval) }

// jittered returns the time until the next turn.
func (r *Reporter) jittered() time.Duration {
	jitter := rand.Float64
	if r.Jitter != nil {
		jitter = r.Jitter
	}
	d := float64(r.interval())
	return time.Duration(d*0.9 + jitter()*d*0.2)
}

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
