package optout

import (
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/xep"
)

// How many messages are dealt with in an hour: in all, of the senders of one site, of one sender, and about one domain.
// What is above is answered once, and then not at all, so that two programs can't talk to each other for ever.
const (
	perHour       = 600
	perHourSite   = 60
	perHourSender = 6
	// perHourDomain is one question a minute, which costs nobody anything and is hard to use up against a domain's own people.
	perHourDomain = 60
)

// admission says what to do with a message.
type admission int

const (
	admitted admission = iota
	tooMany            // and they should know
	silence            // because they do
)

// limits counts the messages of an hour. There are never more entries than messages that are admitted.
type limits struct {
	mu     sync.Mutex
	began  time.Time
	all    int
	counts map[limitKey]int
}

// limitKey is what is counted: the senders of a site, a sender, the sender's helps and refusals, or a domain.
type limitKey struct {
	kind byte
	name string
}

// admit counts a message.
func (l *limits) admit(now time.Time, from jid.JID, about xep.Name) admission {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil || now.Sub(l.began) >= time.Hour || now.Before(l.began) {
		l.began, l.all, l.counts = now, 0, make(map[limitKey]int)
	}
	if l.all++; l.all > perHour {
		return silence
	}
	site, _ := roundtrip.Site(from.Domainpart())
	sender := from.Bare().String()
	a := admitted
	for _, c := range []struct {
		key  limitKey
		most int
	}{
		{limitKey{'s', site}, perHourSite},
		{limitKey{'u', sender}, perHourSender},
		{limitKey{'d', about.String()}, perHourDomain},
	} {
		if c.key.kind == 'd' && (about.IsZero() || a != admitted || isItself(from, about)) {
			continue // nobody will be asked
		}
		if l.counts[c.key]++; l.counts[c.key] > c.most {
			a = tooMany
		}
	}
	if a == tooMany && !l.first(limitKey{'r', sender}) {
		return silence
	}
	return a
}

// once reports whether a sender may have the help text, which one gets once an hour.
func (l *limits) once(from jid.JID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first(limitKey{'h', from.Bare().String()})
}

func (l *limits) first(k limitKey) bool {
	l.counts[k]++
	return l.counts[k] == 1
}
