// Package optout takes domains off the aggregator at the request of those who run them, by a chat message.
//
// Whoever is listed among the contact addresses of a domain (XEP-0157) may exclude it, and so may the domain itself.
// Nobody else can: the list is asked for at the moment of the request, from the domain that it is about.
package optout

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/examples/internal/exclusion"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// DefaultTimeout is how long a domain has to answer for its contact addresses, and after which a refusal is sent.
	DefaultTimeout = 15 * time.Second
	// atOnce is the number of requests that are dealt with at a time, and waiting that of those which wait for it.
	atOnce  = 8
	waiting = 64
	// ReasonPrefix begins the reason of exclusions that were asked for by message; the address follows.
	// Only those can be taken back by message.
	ReasonPrefix = "asked for by "
)

// Session carries the questions and the replies. A *connect.Session is one.
type Session interface {
	roundtrip.Session
	Send(ctx context.Context, r xml.TokenReader) error
}

// Exclusions is where exclusions are kept. An *[exclusion.List] is one.
type Exclusions interface {
	Has(name xep.Name) bool
	Kept(name xep.Name) (store.Exclusion, bool)
	Add(ctx context.Context, e store.Exclusion) error
	Remove(ctx context.Context, name xep.Name) error
}

// Request is a request and what came of it, for the operator's eyes.
type Request struct {
	// At is when it came.
	At time.Time `json:"at"`
	// From is who asked, without the resource.
	From string `json:"from"`
	// Verb is "exclude" or "include", and Domain what it is about.
	Verb   string `json:"verb"`
	Domain string `json:"domain"`
	// Done is whether it was granted, and Why the reason if it was not.
	Done bool   `json:"done"`
	Why  string `json:"why,omitempty"`
}

// Service answers messages. Session and List must be set before [Service.Run], the rest is optional.
// The fields must not change while it runs.
type Service struct {
	Session Session
	List    Exclusions
	// Contact is the operator's address, a URI, for replies.
	Contact string
	// Timeout bounds the time in which a domain has to answer, [DefaultTimeout] if zero.
	// Refusals are sent when it has passed, so that the time they take says nothing about the domain.
	Timeout time.Duration
	// Observe gets every request, from any goroutine, nil for none.
	Observe func(Request)
	// Logger gets what goes wrong, without names. Nil means [slog.Default].
	Logger *slog.Logger
	// Now is the clock, nil means time.Now.
	Now func() time.Time

	once   sync.Once
	queue  chan message
	seen   *xml.Attr
	limits limits
}

// message is what somebody wrote.
type message struct {
	from, to jid.JID
	thread   string
	command
}

func (s *Service) init() {
	s.once.Do(func() { s.queue = make(chan message, waiting) })
}

// Run deals with requests until ctx ends, and then waits for those that are under way.
func (s *Service) Run(ctx context.Context) {
	s.init()
	var workers sync.WaitGroup
	defer workers.Wait()
	for range atOnce {
		workers.Go(func() {
			for {
				select {
				case m := <-s.queue:
					s.deal(ctx, m)
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

// deal grants or refuses a request, and says so.
func (s *Service) deal(ctx context.Context, m message) {
	switch s.limits.admit(s.now(), m.from, m.name) {
	case tooMany:
		s.reply(ctx, m, "Too many requests. Try again in an hour, or write to "+s.contact()+".")
		return
	case silence:
		return
	}
	if m.verb == "" {
		if s.limits.once(m.from) {
			s.reply(ctx, m, fmt.Sprintf(helpText, s.contact()))
		}
		return
	}
	r := Request{At: s.now(), From: m.from.Bare().String(), Verb: m.verb, Domain: m.name.String()}
	bounded, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel()
	text, err := s.decide(bounded, m)
	if ctx.Err() != nil {
		return
	}
	r.Done = err == nil
	if err != nil {
		r.Why = err.Error()
	}
	if s.Observe != nil {
		s.Observe(r)
	}
	if errors.Is(err, errRefused) {
		<-bounded.Done()
	}
	s.reply(ctx, m, text)
}

// errRefused says that somebody has no right to what they ask for.
var errRefused = errors.New("not entitled")

// decide does what is asked for if the sender may, and returns what to tell them.
func (s *Service) decide(ctx context.Context, m message) (text string, err error) {
	shown := m.name.Unicode()
	switch m.verb {
	case verbExclude:
		if err = s.exclude(ctx, m); err == nil {
			return fmt.Sprintf(excludedText, shown), nil
		}
	case verbInclude:
		if err = s.include(ctx, m); err == nil {
			return fmt.Sprintf(includedText, shown), nil
		}
	}
	switch {
	case errors.Is(err, errRefused):
		if m.verb == verbInclude {
			return fmt.Sprintf(notIncludedText, shown, m.from.Bare(), s.contact()), err
		}
		return fmt.Sprintf(refusedText, m.from.Bare(), shown, s.contact()), err
	case errors.Is(err, exclusion.ErrNoDatabase):
		return fmt.Sprintf(noDatabaseText, s.contact()), err
	}
	s.logger().Error("an opt-out could not be kept", "err", err)
	return fmt.Sprintf(failedText, s.contact()), err
}

func (s *Service) exclude(ctx context.Context, m message) error {
	itself := isItself(m.from, m.name)
	if s.List.Has(m.name) {
		// What is excluded is not asked. Whoever asked for that before, or is the domain, is told again that it is.
		if itself || s.askedBy(m.name, m.from) {
			return nil
		}
		return errRefused
	}
	if !itself {
		if err := listed(ctx, s.Session, m.name, m.from); err != nil {
			return fmt.Errorf("%w: %v", errRefused, err)
		}
	}
	// The right is established: that the time for the question has passed must not cost them the answer.
	ctx = context.WithoutCancel(ctx)
	return s.List.Add(ctx, store.Exclusion{Domain: m.name, Since: s.now(), Reason: ReasonPrefix + m.from.Bare().String()})
}

// include takes an exclusion back that was asked for by message: for the one who asked for it, and for the domain itself.
func (s *Service) include(ctx context.Context, m message) error {
	e, ok := s.List.Kept(m.name)
	switch {
	case !ok, len(e.Reason) < len(ReasonPrefix), e.Reason[:len(ReasonPrefix)] != ReasonPrefix:
		return errRefused
	case !s.askedBy(m.name, m.from) && !isItself(m.from, m.name):
		return errRefused
	}
	return s.List.Remove(ctx, m.name)
}

// askedBy reports whether an exclusion was asked for by an address.
func (s *Service) askedBy(name xep.Name, from jid.JID) bool {
	e, ok := s.List.Kept(name)
	return ok && e.Reason == ReasonPrefix+from.Bare().String()
}

// isItself reports whether a domain itself is the sender: no user of it can be.
func isItself(from jid.JID, name xep.Name) bool {
	if from.Localpart() != "" {
		return false
	}
	n, err := xep.NameOf(from)
	return err == nil && n == name
}

// reply sends a text. That it could not be sent is logged, and changes nothing.
func (s *Service) reply(ctx context.Context, m message, text string) {
	msg := stanza.Message{Type: stanza.ChatMessage, To: m.from}
	if m.to.Localpart() == "" && m.to.Domainpart() != "" {
		// Components send from the address that was written to.
		msg.From = m.to
	}
	if err := s.Session.Send(ctx, msg.Wrap(body(text, m.thread))); err != nil && ctx.Err() == nil {
		s.logger().Warn("a reply to an opt-out was not sent", "err", err)
	}
}

func (s *Service) contact() string {
	if s.Contact == "" {
		return "the operator"
	}
	return s.Contact
}

func (s *Service) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return DefaultTimeout
}

func (s *Service) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Service) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}
