package graph

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/xmppgraph/xmppgraph/xep"
)

func itoa(i int) string { return strconv.Itoa(i) }

// ServiceLabels returns the first labels by which [Fold] knows the services of a domain.
//
// Labels under which people also run their main domain, such as chat, im, jabber and xmpp, are left out on purpose.
func ServiceLabels() []string {
	return []string{
		"biboumi", "bridge", "channels", "conf", "conference", "echo", "file", "files", "gateway", "groupchat", "groups",
		"http-upload", "httpupload", "irc", "mix", "muc", "mucs", "pep", "proxy", "proxy65", "pubsub", "register", "room", "rooms",
		"search", "share", "stun", "transport", "turn", "upload", "uploads", "users", "vjud",
	}
}

// Fold makes the services of a domain part of it: conference.example.org becomes example.org.
//
// It takes the given first labels for services, or those of [ServiceLabels] where none is given.
// A service is folded only into a domain that is in the snapshot itself, because nobody else may be named,
// and never into a public suffix such as co.uk, whose subdomains belong to different people.
//
// The unnamed peers of the parts are added up, although some may be the same.
func Fold(labels ...string) View {
	if len(labels) == 0 {
		labels = ServiceLabels()
	}
	labels = slices.Clone(labels)
	for i := range labels {
		labels[i] = strings.ToLower(labels[i])
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	return View{"fold " + strings.Join(labels, ","), func(d dense) dense { return d.fold(labels) }}
}

func (d dense) fold(labels []string) dense {
	into := make([]uint32, len(d.nodes))
	any := false
	for i := range d.nodes {
		into[i] = uint32(i)
		if j, ok := d.parent(d.nodes[i].name, labels); ok {
			into[i] = j
			any = true
		}
	}
	if !any {
		return d
	}
	d.nodes = slices.Clone(d.nodes)
	for i, j := range into {
		if uint32(i) != j {
			d.nodes[j].absorb(&d.nodes[i])
		}
	}
	d.links, d.lapsed = d.foldLinks(into)
	return d.filter(func(i int) bool { return into[i] == uint32(i) }, nil)
}

// parent finds the domain of which a name is a service, through several services if need be: its nearest ancestor in the snapshot that isn't one.
func (d *dense) parent(n xep.Name, labels []string) (index uint32, ok bool) {
	rest := n.String()
	for {
		label, up, more := strings.Cut(rest, ".")
		if !more || n.IsIP() {
			return index, ok
		}
		if _, service := slices.BinarySearch(labels, label); !service {
			return index, ok
		}
		if suffix, _ := publicsuffix.PublicSuffix(up); suffix == up {
			return index, ok
		}
		rest = up
		if i, found := slices.BinarySearchFunc(d.nodes, up, func(n node, s string) int { return strings.Compare(n.name.String(), s) }); found {
			index, ok = uint32(i), true
		}
	}
}

// absorb makes a service part of its domain. What the domain says of itself goes before what its service says.
func (n *node) absorb(service *node) {
	if n.rec == nil {
		n.rec = service.rec
	}
	n.first = min(n.first, service.first)
	n.last = max(n.last, service.last)
	n.unnamed += min(service.unnamed, math.MaxUint32-n.unnamed)
}

func (d *dense) foldLinks(into []uint32) (links, lapsed []link) {
	all := make([]link, 0, len(d.links)+len(d.lapsed))
	for _, some := range [...][]link{d.links, d.lapsed} {
		for _, l := range some {
			l.a, l.b = into[l.a], into[l.b]
			if l.a > l.b {
				l.a, l.b, l.byA, l.byB = l.b, l.a, l.byB, l.byA
			}
			if l.a != l.b {
				all = append(all, l)
			}
		}
	}
	slices.SortStableFunc(all, compareEnds)
	for i := 0; i < len(all); {
		l := all[i]
		for i++; i < len(all) && compareEnds(l, all[i]) == 0; i++ {
			l.byA, l.byB = l.byA.and(all[i].byA), l.byB.and(all[i].byB)
		}
		if l.state() == StateLapsed {
			lapsed = append(lapsed, l)
		} else {
			links = append(links, l)
		}
	}
	return links, lapsed
}

// and merges what parts of one domain say of the same other.
func (s side) and(t side) side {
	switch {
	case s.first == 0:
		return t
	case t.first == 0:
		return s
	}
	first, last := min(s.first, t.first), max(s.last, t.last)
	switch {
	case s.gone && !t.gone:
		s = t
	case s.gone == t.gone:
		s.directions |= t.directions
	}
	s.first, s.last = first, last
	return s
}
