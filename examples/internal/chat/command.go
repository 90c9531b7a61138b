package chat

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// listed is how many domains an answer lists at most: it is read in a chat, on a telephone.
const listed = 10

// command is something that can be asked.
type command struct {
	// words begin it; a command has several such beginnings.
	words []string
	run   func(b *Bot, from Asker, args []string) string
}

// commands are tried in their order.
var commands []command

func init() {
	commands = []command{
		{[]string{"help", "?", "hello", "hi"}, (*Bot).help},
		{[]string{"stats", "statistics"}, (*Bot).stats},
		{[]string{"newest", "new"}, (*Bot).newest},
		{[]string{"largest", "biggest"}, (*Bot).largest},
		{[]string{"neighbours", "neighbors", "links"}, (*Bot).neighbours},
		{[]string{"path", "way"}, (*Bot).path},
		{[]string{"is"}, (*Bot).is},
		{[]string{"tell me when", "watch"}, (*Bot).watch},
		{[]string{"watches"}, (*Bot).list},
		{[]string{"unwatch", "forget"}, (*Bot).unwatch},
	}
}

// match returns what follows the command's words, and whether it was this command.
func (c command) match(said []string) (rest []string, ok bool) {
	for _, begin := range c.words {
		words := strings.Fields(begin)
		if len(said) < len(words) {
			continue
		}
		if slices.EqualFunc(words, said[:len(words)], func(a, b string) bool { return strings.EqualFold(a, strings.TrimRight(b, "?!.,:;")) || a == b }) {
			return said[len(words):], true
		}
	}
	return nil, false
}

// filler are words that people put round a name, none of which is a domain that anybody can have.
var filler = []string{"from", "to", "of", "and", "between", "there", "here", "joins", "leaves", "or", "joins,", "the"}

// names reads as many domain names as there should be, and passes over the words around them.
func names(args []string, want int) ([]xep.Name, string) {
	var found []xep.Name
	for _, a := range args {
		a = strings.TrimRight(a, "?!,;:")
		if a == "" || slices.Contains(filler, strings.ToLower(a)) {
			continue
		}
		n, err := xep.ParseName(strings.TrimPrefix(a, "xmpp:"))
		if err != nil {
			return nil, notAName
		}
		if found = append(found, n); len(found) > want {
			break
		}
	}
	switch {
	case len(found) != want && want == 1:
		return nil, oneName
	case len(found) != want:
		return nil, twoNames
	}
	return found, ""
}

func (b *Bot) help(Asker, []string) string {
	if b.Source == "" {
		return helpText
	}
	return helpText + "\n" + b.Source
}

func (b *Bot) stats(Asker, []string) string {
	s := b.Network.Snapshot()
	c := s.Counts()
	if c.Domains == 0 {
		return nothingYet
	}
	return fmt.Sprintf("%s, %s of them reporting. %s between them, %s of these claimed by both ends. %s to domains that stay unnamed.",
		count(c.Domains, "named domain", "named domains"), number(c.Reporting),
		count(c.Links, "link", "links"), number(c.Mutual), count(c.Unnamed, "link", "links"))
}

func (b *Bot) newest(_ Asker, args []string) string {
	s := b.Network.Snapshot()
	all := slices.Collect(s.Domains())
	slices.SortStableFunc(all, func(x, y graph.Domain) int { return y.First.Compare(x.First) })
	return list(all, args, func(d graph.Domain) string {
		return fmt.Sprintf("%s (first seen %s)", d.Name.Unicode(), d.First.UTC().Format("2006-01-02"))
	})
}

func (b *Bot) largest(_ Asker, args []string) string {
	s := b.Network.Snapshot()
	all := slices.Collect(s.Domains())
	slices.SortStableFunc(all, func(x, y graph.Domain) int { return cmp.Compare(y.Degree, x.Degree) })
	return list(all, args, func(d graph.Domain) string {
		return fmt.Sprintf("%s (%s)", d.Name.Unicode(), count(d.Degree, "link", "links"))
	})
}

// list says the first few of all, as many as the asker wants within reason.
func list(all []graph.Domain, args []string, say func(graph.Domain) string) string {
	if len(all) == 0 {
		return nothingYet
	}
	want := listed / 2
	if len(args) > 0 {
		if n, err := strconv.Atoi(args[0]); err == nil {
			want = min(max(n, 1), listed)
		}
	}
	var parts []string
	for _, d := range all[:min(want, len(all))] {
		parts = append(parts, say(d))
	}
	return strings.Join(parts, ", ")
}

func (b *Bot) neighbours(_ Asker, args []string) string {
	n, mistake := names(args, 1)
	if mistake != "" {
		return mistake
	}
	s := b.Network.Snapshot()
	i, ok := s.Index(n[0])
	if !ok {
		return unknownDomain
	}
	near := s.Neighbors(i)
	var parts []string
	for _, j := range near[:min(len(near), listed)] {
		parts = append(parts, s.NameAt(int(j)).Unicode())
	}
	text := n[0].Unicode() + " has no links to named domains"
	if len(near) > 0 {
		text = fmt.Sprintf("%s has %s to named domains: %s", n[0].Unicode(), count(len(near), "link", "links"), strings.Join(parts, ", "))
	}
	if more := len(near) - len(parts); more > 0 {
		text += " and " + number(more) + " more"
	}
	if u := s.UnnamedAt(i); u > 0 {
		text += "; " + count(u, "link", "links") + " to domains that stay unnamed"
	}
	return text + "."
}

func (b *Bot) path(_ Asker, args []string) string {
	n, mistake := names(args, 2)
	if mistake != "" {
		return mistake
	}
	way := b.Network.Snapshot().Path(n[0], n[1])
	switch {
	case len(way) == 0:
		return noPath
	case len(way) > listed:
		return fmt.Sprintf("%s away from each other, which is too many to list.", count(len(way)-1, "link", "links"))
	}
	var parts []string
	for _, one := range way {
		parts = append(parts, one.Unicode())
	}
	return fmt.Sprintf("%s (%s)", strings.Join(parts, " – "), count(len(way)-1, "link", "links"))
}

func (b *Bot) is(_ Asker, args []string) string {
	n, mistake := names(args, 1)
	if mistake != "" {
		return mistake
	}
	d, ok := b.Network.Snapshot().Domain(n[0])
	if !ok {
		return unknownDomain
	}
	text := d.Name.Unicode() + " is there and reports"
	if !d.Reporting {
		text = d.Name.Unicode() + " is there: others report it, it does not report itself"
	}
	text += ", " + count(d.Degree, "link", "links") + " to named domains"
	if d.Unnamed > 0 {
		text += ", " + number(d.Unnamed) + " to domains that stay unnamed"
	}
	if software := clip(plain(d.Software+" "+d.Version), maxSoftware); software != "" {
		text += ". It calls its server: " + software
	}
	return text + "."
}
