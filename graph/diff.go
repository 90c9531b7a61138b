package graph

import (
	"errors"
	"slices"
	"time"
	"unique"

	"github.com/xmppgraph/xmppgraph/xep"
)

// Changes is what turns one snapshot into another.
type Changes struct {
	// From and To are the versions of both; From is zero where everything is new.
	From, To uint64
	// At is the moment of the new snapshot.
	At time.Time
	// Events are what has changed: first links and domains that are gone, then domains, then links, each in the order of names.
	//
	// They are as few as possible: with a domain go its links, without events of their own,
	// and times that follow from those of a reporting domain are left out.
	Events []Event
	// Snapshot is the new snapshot.
	Snapshot *Snapshot

	combined bool
	end      uint32
}

// Event is one change.
type Event struct {
	// Kind says what has changed.
	Kind EventKind
	// Domain is the domain of an event on a domain, as it is now; of one that is gone, only the name.
	Domain Domain
	// Link is the link of an event on a link, as it is now; of one that is gone, only the ends.
	// Its indexes are those of the new snapshot, and zero where it isn't there.
	Link Link
}

// EventKind is a kind of change.
type EventKind uint8

// The kinds of events.
const (
	// Left is a domain that nobody reports any more.
	Left EventKind = iota + 1
	// Renounced is a domain whose verdict has ended or was withdrawn: whoever still shows its name must stop.
	Renounced
	// Unlinked is a link that nobody claims any more. It may still be known as lapsed.
	Unlinked
	// Faded is a lapsed link that is no longer known at all.
	Faded
	// Joined is a new domain.
	Joined
	// Changed is a domain of which something other than its times has changed.
	Changed
	// Seen is a domain of which only times have changed: when it was seen, or until when it may be named.
	Seen
	// Linked is a new link.
	Linked
	// Relinked is a link, current or lapsed as before, about which somebody says something else.
	Relinked
)

var kindNames = [...]string{
	Left: "left", Renounced: "renounced", Unlinked: "unlinked", Faded: "faded",
	Joined: "joined", Changed: "changed", Seen: "seen", Linked: "linked", Relinked: "relinked",
}

// String returns the kind in lower case.
func (k EventKind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

// Diff returns what turns the old snapshot into the new one. A nil old snapshot is an empty one.
//
// Both should be of one graph, and seen through the same views.
func Diff(old, new *Snapshot) Changes {
	if old == nil {
		old = &Snapshot{}
	}
	d := differ{old: old.dense(), new: new.dense(), match: match(old, new), now: new}
	d.guess()
	d.goneDomains()
	d.goneLinks()
	slices.SortStableFunc(d.events, func(a, b Event) int { return phase(a.Kind) - phase(b.Kind) })
	d.domains()
	d.links(d.new.links, d.old.links)
	d.links(d.new.lapsed, d.old.lapsed)
	return Changes{
		From: old.version, To: new.version, At: new.At(), Events: d.events, Snapshot: new,
		combined: d.new.combined, end: d.new.end,
	}
}

// phase puts links that are gone before domains that are.
func phase(k EventKind) int { return btoi(k == Left || k == Renounced) }

// matching relates the indexes of two snapshots; absent where a domain is in one only.
type matching struct{ toNew, toOld []uint32 }

func match(old, new *Snapshot) matching {
	a, b := old.dense().nodes, new.dense().nodes
	m := matching{make([]uint32, len(a)), make([]uint32, len(b))}
	for i := range m.toNew {
		m.toNew[i] = absent
	}
	i := 0
	for j := range b {
		for i < len(a) && a[i].name.Compare(b[j].name) < 0 {
			i++
		}
		m.toOld[j] = absent
		if i < len(a) && a[i].name == b[j].name {
			m.toNew[i], m.toOld[j] = uint32(j), uint32(i)
		}
	}
	return m
}

type differ struct {
	old, new *dense
	match    matching
	now      *Snapshot
	// guessed is the new snapshot as far as it follows from the old one and the new reports' times.
	guessed []uint32
	events  []Event
}

// guess fills in when domains were last seen, as [Snapshot.Patch] will.
func (d *differ) guess() {
	before, after := derived(d.old), derived(d.new)
	d.guessed = make([]uint32, len(d.new.nodes))
	for j := range d.guessed {
		i := d.match.toOld[j]
		switch {
		case i == absent:
		case d.old.nodes[i].last == before[i]:
			d.guessed[j] = after[j]
		default:
			d.guessed[j] = d.old.nodes[i].last
		}
	}
}

// derived returns when each domain was last seen as far as its report and its links tell.
// That is all there is to tell in a graph's own snapshots, and less in views.
func derived(d *dense) []uint32 {
	last := make([]uint32, len(d.nodes))
	for i := range d.nodes {
		if r := d.nodes[i].rec; r != nil {
			last[i] = r.at
		}
	}
	for i := range d.links {
		l := &d.links[i]
		for _, s := range [...]side{l.byA, l.byB} {
			if s.made() {
				last[l.a], last[l.b] = max(last[l.a], s.last), max(last[l.b], s.last)
			}
		}
	}
	return last
}

// follow moves a claim's last time along with the report that makes it.
func (s side) follow(old, new *node) side {
	if s.made() && old.rec != nil && new.rec != nil && s.last == old.rec.at {
		s.last = new.rec.at
	}
	return s
}

func (d *differ) goneDomains() {
	var order []uint32
	raw := d.now.raw
	if raw != nil {
		order = raw.names.sorted()
	}
	for i, j := range d.match.toNew {
		if j != absent {
			continue
		}
		n := &d.old.nodes[i]
		kind := Left
		k, known := slices.BinarySearchFunc(order, n.name, func(id uint32, name xep.Name) int { return raw.names.name(id).Compare(name) })
		if n.until <= d.now.at || known && !raw.live(order[k], d.now.at) {
			kind = Renounced
		}
		d.events = append(d.events, Event{Kind: kind, Domain: Domain{Name: n.name}})
	}
}

func (d *differ) goneLinks() {
	for _, l := range d.old.links {
		if k, ok := d.moved(l); ok && !has(d.new.links, k) {
			e := Event{Kind: Unlinked, Link: d.ends(k)}
			if at, lapsed := slices.BinarySearchFunc(d.new.lapsed, k, compareEnds); lapsed {
				e.Link = d.new.link(&d.new.lapsed[at])
			}
			d.events = append(d.events, e)
		}
	}
	for _, l := range d.old.lapsed {
		if k, ok := d.moved(l); ok && !has(d.new.links, k) && !has(d.new.lapsed, k) {
			d.events = append(d.events, Event{Kind: Faded, Link: d.ends(k)})
		}
	}
}

func has(links []link, ends link) bool {
	_, ok := slices.BinarySearchFunc(links, ends, compareEnds)
	return ok
}

// moved returns an old link with the indexes of the new snapshot, if both its ends are there.
func (d *differ) moved(l link) (link, bool) {
	l.a, l.b = d.match.toNew[l.a], d.match.toNew[l.b]
	return l, l.a != absent && l.b != absent
}

func (d *differ) ends(l link) Link {
	return Link{A: d.new.nodes[l.a].name, B: d.new.nodes[l.b].name, State: StateLapsed}
}

func (d *differ) domains() {
	for j := range d.new.nodes {
		n := &d.new.nodes[j]
		kind := Joined
		if i := d.match.toOld[j]; i != absent {
			o := d.old.nodes[i]
			o.last = d.guessed[j]
			if kind = o.compare(n); kind == 0 {
				continue
			}
		}
		d.events = append(d.events, Event{Kind: kind, Domain: d.now.DomainAt(j)})
	}
}

// compare returns the kind of event that turns one state of a domain into another, zero for none.
func (n *node) compare(o *node) EventKind {
	switch {
	case (n.rec == nil) != (o.rec == nil), n.unnamed != o.unnamed:
		return Changed
	case n.rec != o.rec && n.rec != nil:
		if n.rec.software != o.rec.software || !sameUsers(n.rec.users, o.rec.users) {
			return Changed
		}
		if n.rec.at != o.rec.at {
			return Seen
		}
	}
	if n.first != o.first || n.last != o.last || n.until != o.until {
		return Seen
	}
	return 0
}

func sameUsers(a, b *uint64) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// links compares the current links of both, or the lapsed ones.
func (d *differ) links(now, before []link) {
	for k := range now {
		l := &now[k]
		kind := Linked
		if l.state() == StateLapsed {
			kind = Unlinked
		}
		want := link{a: l.a, b: l.b}
		if i, j := d.match.toOld[l.a], d.match.toOld[l.b]; i != absent && j != absent {
			if at, ok := slices.BinarySearchFunc(before, link{a: i, b: j}, compareEnds); ok {
				kind = Relinked
				want.byA = before[at].byA.follow(&d.old.nodes[i], &d.new.nodes[l.a])
				want.byB = before[at].byB.follow(&d.old.nodes[j], &d.new.nodes[l.b])
			} else if kind == Unlinked && has(d.old.links, link{a: i, b: j}) {
				continue // told by goneLinks
			}
		}
		if want != *l {
			d.events = append(d.events, Event{Kind: kind, Link: d.new.link(l)})
		}
	}
}

// ErrVersion says that changes don't start from the snapshot that they are applied to.
var ErrVersion = errors.New("graph: changes are from another version")

// Patch applies changes and returns the snapshot that they lead to.
func (s *Snapshot) Patch(c Changes) (*Snapshot, error) {
	if c.From != s.version {
		return nil, ErrVersion
	}
	p := newPatch(s.dense())
	for i := range c.Events {
		p.take(&c.Events[i])
	}
	d := p.build()
	d.combined, d.end = c.combined, c.end
	return newSnapshot(c.To, seconds(c.At), d), nil
}

func newRecord(d *Domain) *record {
	if !d.Reporting {
		return nil
	}
	return &record{at: seconds(d.Reported), software: unique.Make(software{d.Software, d.Version}), users: d.Users}
}
