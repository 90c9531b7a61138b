package crawl

import (
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// bringersToFill is how many sites it takes to fill the frontier with names that are made up.
	bringersToFill = 100
	// leastPerBringer is more than most reports name.
	leastPerBringer = 1000
)

// siteOf is what one owner has, as far as the list of public suffixes knows: a registrable domain.
func siteOf(name xep.Name) string {
	if !name.IsIP() {
		if s, err := publicsuffix.EffectiveTLDPlusOne(name.String()); err == nil {
			return s
		}
	}
	return name.String()
}

// site is the known domains of one owner, who can make up any number of names.
type site struct {
	name string
	// confirmed counts those that may be named, said so in their last answer, or were given as seeds; the others are a list that begins at first.
	confirmed, others int
	first             *entry
	// brought counts the domains that its reports made known and that were never confirmed.
	brought int
	// full is when it may be worth while to look for one that can be replaced.
	full time.Time
}

// room is how many of a site's domains may be known that don't opt in.
// It grows with those that do, so that a large hoster is found in a few rounds.
func (f *frontier) room(s *site) int { return f.perSite + s.confirmed }

// roomOf is the room of a site, known or not.
func (f *frontier) roomOf(name string) int {
	if s := f.sites[name]; s != nil {
		return f.room(s)
	}
	return f.perSite
}

// enrol counts an entry with its site.
func (f *frontier) enrol(e *entry) {
	name := siteOf(e.name)
	s := f.sites[name]
	if s == nil {
		s = &site{name: name}
		f.sites[name] = s
	}
	e.site = s
	s.list(e)
	f.rank(e)
}

// rank counts an entry on the right side of its site after what is known of it has changed.
func (f *frontier) rank(e *entry) {
	s := e.site
	confirmed := e.seed || e.advertised || !e.until.IsZero()
	if confirmed {
		f.clear(e)
	}
	switch {
	case s == nil || e.confirmed == confirmed:
		return
	case confirmed:
		s.unlist(e)
		s.confirmed++
	default:
		s.confirmed--
		s.list(e)
	}
	e.confirmed = confirmed
}

// strike ends what enrol began.
func (f *frontier) strike(e *entry) {
	s := e.site
	if s == nil {
		return
	}
	if e.confirmed {
		s.confirmed--
	} else {
		s.unlist(e)
	}
	e.site, e.confirmed = nil, false
	f.clear(e)
	f.prune(s)
}

// prune forgets a site of which nothing is known, and that brought nothing.
func (f *frontier) prune(s *site) {
	if s.confirmed+s.others+s.brought == 0 {
		delete(f.sites, s.name)
	}
}

// bring holds a new domain against the site whose report named it, until it is confirmed or forgotten.
func (f *frontier) bring(e *entry, by *site) {
	if by != nil && !e.confirmed {
		e.bringer = by
		by.brought++
	}
}

// clear ends what bring began.
func (f *frontier) clear(e *entry) {
	if s := e.bringer; s != nil {
		e.bringer = nil
		s.brought--
		f.prune(s)
	}
}

// credible tells whether the reports of a site may make known one more domain.
func (f *frontier) credible(by *site) bool {
	return f.perBringer < 0 || by == nil || by.brought < f.perBringer
}

func (s *site) list(e *entry) {
	e.previous, e.next = nil, s.first
	if s.first != nil {
		s.first.previous = e
	}
	s.first = e
	s.others++
}

func (s *site) unlist(e *entry) {
	if e.previous != nil {
		e.previous.next = e.next
	} else {
		s.first = e.next
	}
	if e.next != nil {
		e.next.previous = e.previous
	}
	e.previous, e.next = nil, nil
	s.others--
}

// vacancy tells whether a site has room for a new domain, and which one it takes the place of, nil for none.
//
// One is replaced only after it was asked and then left alone for an interval:
// so the domains of a site that don't opt in cost no more visits per interval than it has room for, however many names are made up.
func (f *frontier) vacancy(name xep.Name, now time.Time, interval time.Duration) (instead *entry, ok bool) {
	s := f.sites[siteOf(name)]
	switch {
	case f.perSite < 0 || s == nil || s.others < f.room(s):
		return nil, true
	case now.Before(s.full):
		return nil, false
	}
	s.full = now.Add(interval)
	for e := s.first; e != nil; e = e.next {
		rested := e.visitedAt.Add(interval)
		switch {
		case e.place == placeFlight || e.visitedAt.IsZero() && e.failures == 0:
		case !rested.After(now):
			instead = lesser(instead, e)
		case rested.Before(s.full):
			s.full = rested
		}
	}
	if instead != nil {
		s.full = time.Time{}
	}
	return instead, instead != nil
}

// displace is a vacancy for a domain that somebody asks for: any other of the site that does not opt in gives way.
func (f *frontier) displace(name xep.Name) (instead *entry, ok bool) {
	s := f.sites[siteOf(name)]
	if f.perSite < 0 || s == nil || s.others < f.room(s) {
		return nil, true
	}
	for e := s.first; e != nil; e = e.next {
		if e.place != placeFlight {
			instead = lesser(instead, e)
		}
	}
	return instead, instead != nil
}

// lesser returns the one of which less is to be expected: one that never answered, was silent more often, or was asked earlier.
func lesser(x, y *entry) *entry {
	switch {
	case x == nil:
		return y
	case y == nil:
		return x
	case x.answered.IsZero() != y.answered.IsZero():
		if y.answered.IsZero() {
			return y
		}
		return x
	case x.failures != y.failures:
		if y.failures > x.failures {
			return y
		}
		return x
	case y.visitedAt.Before(x.visitedAt):
		return y
	}
	return x
}

// acquaint puts a domain on the frontier that a report of a site names. It returns nil where there is no room for it. The caller holds the lock.
func (r *run) acquaint(name xep.Name, by *site, now time.Time) (e *entry, isNew bool) {
	if e, known := r.frontier.entries[name]; known {
		return e, false
	}
	if !r.frontier.credible(by) {
		r.crowded++
		return nil, false
	}
	instead, ok := r.frontier.vacancy(name, now, r.interval)
	if e, isNew = r.admitNew(name, now, instead, ok); isNew {
		r.frontier.bring(e, by)
	}
	return e, isNew
}

// invite puts a domain on the frontier that somebody asks for. It returns nil where there is no room for it. The caller holds the lock.
func (r *run) invite(name xep.Name, now time.Time) (e *entry, isNew bool) {
	if e, known := r.frontier.entries[name]; known {
		return e, false
	}
	instead, ok := r.frontier.displace(name)
	return r.admitNew(name, now, instead, ok)
}

func (r *run) admitNew(name xep.Name, now time.Time, instead *entry, ok bool) (e *entry, isNew bool) {
	if !ok {
		r.crowded++
		return nil, false
	}
	r.replace(instead)
	return r.frontier.add(name, now)
}

// settleIn makes room for a stored domain, and tells whether it may be known again.
// Those that ever answered always may.
func (r *run) settleIn(rec Record) bool {
	if !rec.Answered.IsZero() || !rec.Until.IsZero() || r.hold.seeds[rec.Domain] {
		return true
	}
	instead, ok := r.frontier.displace(rec.Domain)
	if !ok {
		r.crowded++
	}
	r.replace(instead)
	return ok
}

// replace forgets a domain for another one of its site, nil for none.
func (r *run) replace(e *entry) {
	if e == nil {
		return
	}
	r.crowded++
	r.feeds.leave(e)
	r.frontier.remove(e)
	r.forget(e)
}
