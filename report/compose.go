package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Composition is what would be published now, and why.
type Composition struct {
	// At is when it was made.
	At time.Time
	// Redacted is what may be published.
	Redacted optin.Redacted
	// Peers are all remote domains with their verdicts, sorted. They are for the operator's eyes and nobody else's.
	Peers []Peer
}

// Peer is a remote domain as the operator sees it.
type Peer struct {
	// Local is the local domain.
	Local xep.Name
	// Remote is the peer as the source named it, in its canonical form if it has one.
	Remote string
	// Connections are the directions of the streams to it.
	Connections []xep.Direction
	// Verdict says whether it is named, and why.
	Verdict optin.Verdict
}

// peerGroup are the peers of one local domain.
type peerGroup struct {
	local xep.Name
	peers []optin.Peer
	// labels are the names of the peers, in the same order, readable even where they are no domain names.
	labels []string
}

// group sorts connections by local domain and peer. What is not for a local domain, or is to be left out, is dropped.
func (s *setup) group(all []Connection) []peerGroup {
	type place struct{ group, peer int }
	groups := make([]peerGroup, len(s.locals))
	seen := make(map[[2]string]place)
	for i, local := range s.locals {
		groups[i].local = local
	}
	for _, c := range all {
		g := s.localIndex(c.Local)
		if g < 0 {
			continue
		}
		remote, err := xep.ParseName(c.Remote)
		if err == nil && s.omit.Has(remote) {
			continue
		}
		label := remote.String()
		if err != nil {
			// A peer without a readable name is counted, once for all of its streams.
			remote, label = xep.Name{}, strings.ToLower(c.Remote)
		}
		key := [2]string{s.locals[g].String(), label}
		at, ok := seen[key]
		if !ok {
			at = place{g, len(groups[g].peers)}
			seen[key] = at
			groups[g].peers = append(groups[g].peers, optin.Peer{Remote: remote})
			groups[g].labels = append(groups[g].labels, label)
		}
		if c.Direction != "" {
			p := &groups[at.group].peers[at.peer]
			p.Connections = append(p.Connections, c.Direction)
		}
	}
	return groups
}

func (s *setup) localIndex(local string) int {
	if local == "" {
		return 0
	}
	name, err := xep.ParseName(local)
	if err != nil {
		return -1
	}
	return slices.Index(s.locals, name)
}

// names returns the peers that can be asked.
func names(groups []peerGroup) []xep.Name {
	var all []xep.Name
	for _, g := range groups {
		for _, p := range g.peers {
			if !p.Remote.IsZero() {
				all = append(all, p.Remote)
			}
		}
	}
	slices.SortFunc(all, xep.Name.Compare)
	return slices.Compact(all)
}

// redact composes what may be published at a given time, without what is told of the server itself.
func (r *Reporter) redact(groups []peerGroup, at time.Time) optin.Redacted {
	parts := make([]optin.Redacted, 0, len(groups))
	for _, g := range groups {
		parts = append(parts, optin.Redact(g.local, g.peers, r.setup.consent.Verdict, at, r.Counts))
	}
	return optin.Join(parts...)
}

// describe adds what the operator wants to be told of the server itself, as far as that can be learned.
func (r *Reporter) describe(ctx context.Context, red optin.Redacted) (optin.Redacted, error) {
	ctx, cancel := context.WithTimeout(ctx, or(r.Warmup, DefaultWarmup))
	defer cancel()
	var errs []error
	if r.Users != nil {
		n, err := r.Users(ctx)
		if err == nil {
			red = red.WithUsers(r.setup.domain, n)
		}
		errs = append(errs, err)
	}
	if r.Software != nil {
		s, err := r.Software(ctx)
		if err == nil {
			red = red.WithSoftware(s)
		}
		errs = append(errs, err)
	}
	return red, errors.Join(errs...)
}

// Compose looks at the connections, asks who may be named, and returns what would be published, without publishing it.
//
// It waits for the peers' answers no longer than Warmup.
func (r *Reporter) Compose(ctx context.Context) (*Composition, error) {
	s, err := r.prepare()
	if err != nil {
		return nil, err
	}
	groups, err := r.connections(ctx, true)
	if err != nil {
		return nil, err
	}
	p := &prober{check: s.consent.Check}
	probing, cancel := context.WithCancel(ctx)
	defer p.wait()
	defer cancel()
	if err := await(ctx, p.add(probing, names(groups)), or(r.Warmup, DefaultWarmup)); err != nil {
		return nil, err
	}
	c := &Composition{At: r.now()}
	if c.Redacted, err = r.describe(ctx, r.redact(groups, c.At)); err != nil {
		r.logger().Warn("not everything is known of the server itself", "err", err)
	}
	for _, g := range groups {
		for i, peer := range g.peers {
			c.Peers = append(c.Peers, Peer{
				Local: g.local, Remote: g.labels[i], Connections: peer.Connections, Verdict: s.consent.Verdict(peer.Remote),
			})
		}
	}
	slices.SortFunc(c.Peers, func(a, b Peer) int {
		return strings.Compare(a.Local.String()+"/"+a.Remote, b.Local.String()+"/"+b.Remote)
	})
	return c, nil
}

// Once ensures the node, composes and publishes, and leaves the item in place.
func (r *Reporter) Once(ctx context.Context) (*Composition, error) {
	if _, err := r.prepare(); err != nil {
		return nil, err
	}
	wrong, err := r.ensure(ctx)
	if err != nil {
		return nil, err
	}
	if wrong != nil {
		r.logger().Warn(wrongNode, "err", wrong)
	}
	c, err := r.Compose(ctx)
	if err != nil {
		return nil, err
	}
	_, err = r.publish(ctx, c.Redacted)
	return c, err
}

// publish replaces the item, and counts.
func (r *Reporter) publish(ctx context.Context, red optin.Redacted) (Event, error) {
	info := red.ServerInfo()
	reduced, err := r.setup.publisher.PublishInfo(ctx, info)
	if err != nil {
		r.meter.note(func(s *Stats) { s.Failures++ })
		return Event{}, err
	}
	if reduced {
		red = red.WithoutConnections()
	}
	payload, err := red.Payload()
	if err != nil {
		return Event{}, err
	}
	ev := Event{At: r.now(), Published: true, Named: len(red.Names()), Unnamed: red.Unnamed(), Reduced: reduced}
	r.meter.note(func(s *Stats) {
		s.Publications++
		s.Named, s.Unnamed, s.Bytes, s.Published = ev.Named, ev.Unnamed, len(payload), ev.At
	})
	r.logger().Info("published", "named", ev.Named, "unnamed", ev.Unnamed, "bytes", len(payload), "reduced", reduced)
	return ev, nil
}

// connections looks at the connections, and before that at the local domains' own components if that is wanted.
func (r *Reporter) connections(ctx context.Context, components bool) ([]peerGroup, error) {
	if components {
		// That they are not known is no reason to report nothing, or late.
		limited, cancel := context.WithTimeout(ctx, or(r.Warmup, DefaultWarmup)/2)
		defer cancel()
		r.setup.leaveOut(r.setup.components(limited, r.Session))
	}
	all, err := r.Source.Connections(ctx)
	now := r.now()
	r.meter.note(func(s *Stats) {
		s.Turns++
		if err != nil {
			s.SourceFailures++
			return
		}
		s.Looked, s.Connections = now, len(all)
	})
	if err != nil {
		return nil, fmt.Errorf("report: live connections: %w", err)
	}
	return r.setup.group(all), nil
}

const wrongNode = "the node is not as it should be"

// ensure makes sure of the node. What is not as it should be and could not be changed is in wrong.
func (r *Reporter) ensure(ctx context.Context) (wrong, err error) {
	node, err := r.setup.publisher.Ensure(ctx)
	if err != nil {
		r.meter.note(func(s *Stats) { s.Failures++ })
		return nil, err
	}
	log := r.logger().With("node", node.Node, "service", node.Service.String())
	if node.Created {
		log.Info("node created")
	}
	if len(node.Removed) > 0 {
		log.Info("left-over items removed", "count", len(node.Removed))
	}
	var errs []error
	if !node.Owned {
		errs = append(errs, errors.New("it belongs to somebody else"))
	}
	for _, d := range node.Deviations {
		errs = append(errs, errors.New(d.String()))
	}
	return errors.Join(errs...), nil
}

// await waits for done, the end of patience or of ctx, of which only the last is an error.
func await(ctx context.Context, done <-chan struct{}, patience time.Duration) error {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
