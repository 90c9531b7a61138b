package chat

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The bounds on what is watched for others. All of it is in memory, and ends with the program.
const (
	// MaxWatches is how many domains are watched for one place.
	MaxWatches = 10
	maxPlaces  = 2_000
	// watchLife is how long a watch lasts: who has forgotten it should not be written to for ever.
	watchLife = 90 * 24 * time.Hour
	// calm is the least time between two messages about one domain, which may come and go all day.
	calm = 10 * time.Minute
)

// watch is one domain that somebody wants to hear of.
type watch struct {
	number int
	name   xep.Name
	there  bool // as was last said
	quiet  time.Time
	until  time.Time
}

// watches are those of all places. Its zero value is empty.
type watches struct {
	mu sync.Mutex
	of map[string][]*watch
}

// Notice is something to say unasked.
type Notice struct {
	// Place is where.
	Place string
	// Text is what.
	Text string
}

func (b *Bot) watch(from Asker, args []string) string {
	n, mistake := names(args, 1)
	if mistake != "" {
		return mistake
	}
	_, there := b.Network.Snapshot().Domain(n[0])
	number, ok := b.watches.add(from.Place, n[0], there, b.now())
	switch {
	case !ok:
		return fmt.Sprintf("I watch no more than %d domains for one place, and not for ever more places. Say: unwatch NUMBER", MaxWatches)
	case there:
		return fmt.Sprintf("Watch %d: %s is there now. I'll say so here when it leaves.", number, n[0].Unicode())
	}
	return fmt.Sprintf("Watch %d: I know nothing of that domain now. I'll say so here when it joins.", number)
}

func (b *Bot) unwatch(from Asker, args []string) string {
	if len(args) == 0 {
		return "Give me the number of the watch. Say: watches"
	}
	n, err := strconv.Atoi(strings.Trim(args[0], "#.,"))
	if err != nil || !b.watches.remove(from.Place, n) {
		return "There is no such watch. Say: watches"
	}
	return fmt.Sprintf("Watch %d has ended.", n)
}

func (b *Bot) list(from Asker, _ []string) string {
	s := b.Network.Snapshot()
	var parts []string
	for _, w := range b.watches.list(from.Place) {
		parts = append(parts, w.line(s))
	}
	if len(parts) == 0 {
		return "I watch nothing for this place."
	}
	return strings.Join(parts, "; ")
}

func (w watch) line(s *graph.Snapshot) string {
	if _, ok := s.Domain(w.name); ok {
		return fmt.Sprintf("%d: %s", w.number, w.name.Unicode())
	}
	return fmt.Sprintf("%d: not there", w.number)
}

// add watches a domain for a place and returns the number of the watch, or reports that there is no room.
func (ws *watches) add(place string, name xep.Name, there bool, now time.Time) (number int, ok bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	all, known := ws.of[place]
	number = 1
	for _, w := range all {
		if w.name == name {
			w.until = now.Add(watchLife)
			return w.number, true
		}
		number = max(number, w.number+1)
	}
	if len(all) >= MaxWatches || !known && len(ws.of) >= maxPlaces {
		return 0, false
	}
	if ws.of == nil {
		ws.of = map[string][]*watch{}
	}
	ws.of[place] = append(all, &watch{number: number, name: name, there: there, until: now.Add(watchLife)})
	return number, true
}

func (ws *watches) remove(place string, number int) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	before := len(ws.of[place])
	ws.keep(place, func(w *watch) bool { return w.number != number })
	return len(ws.of[place]) < before
}

// keep drops the watches of a place that are not to be kept, and the place with the last of them.
func (ws *watches) keep(place string, want func(*watch) bool) {
	if left := slices.DeleteFunc(ws.of[place], func(w *watch) bool { return !want(w) }); len(left) > 0 {
		ws.of[place] = left
	} else {
		delete(ws.of, place)
	}
}

func (ws *watches) list(place string) []watch {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	var all []watch
	for _, w := range ws.of[place] {
		all = append(all, *w)
	}
	return all
}

// Leave ends all watches of a place, for one that can't be written to.
func (b *Bot) Leave(place string) {
	b.watches.mu.Lock()
	defer b.watches.mu.Unlock()
	delete(b.watches.of, place)
}

// Notices returns what is to be said now of the domains that are watched, one for each place, in the order of the places.
//
// A domain that has left is not named, since it may have left because it no longer wants to be.
func (b *Bot) Notices() []Notice {
	s, now := b.Network.Snapshot(), b.now()
	if s.Len() == 0 {
		// Where nothing at all is known, it is the bot that has lost its view and not the domains that have left.
		return nil
	}
	b.watches.mu.Lock()
	defer b.watches.mu.Unlock()
	var out []Notice
	for place, all := range b.watches.of {
		var parts []string
		for _, w := range all {
			if text := w.turn(s, now); text != "" {
				parts = append(parts, text)
			}
		}
		if len(parts) > 0 {
			out = append(out, Notice{place, strings.Join(parts, " ")})
		}
		b.watches.keep(place, func(w *watch) bool { return now.Before(w.until) })
	}
	slices.SortFunc(out, func(x, y Notice) int { return strings.Compare(x.Place, y.Place) })
	return out
}

// turn returns what is to be said of one domain, empty for nothing.
func (w *watch) turn(s *graph.Snapshot, now time.Time) string {
	_, there := s.Domain(w.name)
	if there == w.there || now.Before(w.quiet) {
		return ""
	}
	w.there, w.quiet = there, now.Add(calm)
	if there {
		return fmt.Sprintf("Watch %d: %s has joined.", w.number, w.name.Unicode())
	}
	return fmt.Sprintf("Watch %d: the domain is no longer there.", w.number)
}

// Tell calls say with each notice, until ctx ends.
// It looks whenever the network changes, and once a minute for what was held back.
func (b *Bot) Tell(ctx context.Context, say func(Notice)) {
	changed := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for range b.Network.Watch(ctx) {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	})
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		for _, n := range b.Notices() {
			say(n)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}
