package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// DefaultPeers is how many of the peers that a payload names are asked whether they opt in, unless told otherwise.
const DefaultPeers = 20

// peersAtOnce bounds how many of them are asked at a time.
const peersAtOnce = 4

// Options tunes a run. The zero value works.
type Options struct {
	// Timeout bounds the wait for each answer, 30 s if zero.
	Timeout time.Duration
	// Peers is how many of the named peers are asked whether they opt in, [DefaultPeers] if zero and none below.
	Peers int
	// Strict makes it a failure that a case of level [Must] or [Should] can't be checked, see [Report.Strict].
	Strict bool
	// Now is the clock of the report, nil means time.Now.
	Now func() time.Time
}

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// Run checks a live domain, of which it only reads: what it says of itself and of its node, the item there, and whether the
// peers that the item names opt in.
//
// If the domain does not opt in, nothing but that is asked.
// The error says why there is no report: the name is none, or ctx ended.
func Run(ctx context.Context, s Session, domain string, o Options) (*Report, error) {
	name, err := xep.ParseName(domain)
	if err != nil {
		return nil, err
	}
	r := &Report{Target: name.String(), At: o.now()}
	t, session := newTap(s)
	e := &evidence{options: o, session: session, tap: t, domain: name}
	e.gather(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.OptedIn = e.optedIn()
	if e.info != nil {
		r.Server = printable(brand(e.info))
	}
	r.Service, r.Node = e.service.String(), printable(e.node)
	r.judge(e, domainCases)
	r.judge(e, payloadCases)
	r.Took = o.now().Sub(r.At)
	if o.Strict {
		r = r.Strict()
	}
	return r, nil
}

// evidence is everything that was learned of a domain.
type evidence struct {
	options Options
	session Session
	tap     *tap
	domain  xep.Name

	info    *disco.Info
	infoErr error
	// uri is what the form says. Service and node are where the domain publishes, locateErr why that is not known.
	uri       xep.NodeURI
	uriErr    error
	service   jid.JID
	node      string
	locateErr error

	serviceInfo     *disco.Info
	serviceErr      error
	serviceItems    []disco.Item
	serviceItemsErr error
	nodeInfo        *disco.Info
	nodeErr         error
	nodeItems       []disco.Item
	nodeItemsErr    error

	item     *pubsub.Item
	fetchErr error
	// asked are the named peers that were asked.
	asked   []peerAnswer
	payload payloadEvidence
}

// peerAnswer is whether a peer that the payload names opts in.
type peerAnswer struct {
	path     string
	answered bool
	optedIn  bool
}

func (e *evidence) optedIn() bool { return e.info != nil && e.info.Has(xep.NS) }

// ask runs one question under its own deadline.
func (e *evidence) ask(ctx context.Context, s step, f func(context.Context)) {
	e.tap.at(s)
	if e.options.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.options.Timeout)
		defer cancel()
	}
	f(ctx)
}

func (e *evidence) gather(ctx context.Context) {
	e.payload.missing = "no item was fetched"
	addr, err := e.domain.JID()
	if err != nil {
		e.infoErr = err
		return
	}
	e.ask(ctx, stepInfo, func(ctx context.Context) {
		e.info, e.infoErr = disco.GetInfo(ctx, e.session, addr, "")
	})
	if !e.optedIn() || !e.locate(ctx) {
		return
	}
	e.ask(ctx, stepService, func(ctx context.Context) {
		e.serviceInfo, e.serviceErr = disco.GetInfo(ctx, e.session, e.service, "")
	})
	e.ask(ctx, stepServiceItems, func(ctx context.Context) {
		e.serviceItems, e.serviceItemsErr = disco.GetItems(ctx, e.session, e.service, "")
	})
	e.ask(ctx, stepNode, func(ctx context.Context) {
		e.nodeInfo, e.nodeErr = disco.GetInfo(ctx, e.session, e.service, e.node)
	})
	e.ask(ctx, stepNodeItems, func(ctx context.Context) {
		e.nodeItems, e.nodeItemsErr = disco.GetItems(ctx, e.session, e.service, e.node)
	})
	e.ask(ctx, stepFetch, func(ctx context.Context) {
		e.item, e.fetchErr = pubsub.Fetch(ctx, e.session, e.service, e.node)
	})
	switch {
	case e.item != nil:
		e.payload = readPayload(e.item.Raw)
		e.askPeers(ctx)
	case errors.Is(e.fetchErr, pubsub.ErrPayload):
		e.payload = payloadEvidence{err: e.fetchErr}
	case errors.Is(e.fetchErr, pubsub.ErrNoItem) && len(e.nodeItems) > 0:
		e.payload = payloadEvidence{err: fmt.Errorf("%w: the node's items hold something else", xep.ErrNotServerInfo)}
	}
}

// locate finds the node, by the form or else by the default of XEP-0485 §3.
func (e *evidence) locate(ctx context.Context) bool {
	e.uri, e.uriErr = xep.FindNodeURI(e.info.Forms)
	switch {
	case e.uriErr == nil:
		e.service, e.node = e.uri.Service, e.uri.Node
		return true
	case !errors.Is(e.uriErr, xep.ErrNoForm):
		e.locateErr = e.uriErr
		return false
	}
	e.ask(ctx, stepItems, func(ctx context.Context) {
		var loc *pubsub.Location
		if loc, e.locateErr = pubsub.Locate(ctx, e.session, e.domain); e.locateErr == nil {
			e.service, e.node = loc.Service, loc.Node
		}
	})
	return e.locateErr == nil
}

// askPeers asks the first named peers whether they opt in.
func (e *evidence) askPeers(ctx context.Context) {
	limit := e.options.Peers
	if limit == 0 {
		limit = DefaultPeers
	}
	names, paths := namedPeers(e.payload.info, max(limit, 0))
	e.asked = make([]peerAnswer, len(names))
	e.tap.at(stepPeers)
	var wg sync.WaitGroup
	slots := make(chan struct{}, peersAtOnce)
	for i, name := range names {
		e.asked[i].path = paths[i]
		addr, err := name.JID()
		if err != nil {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			e.ask(ctx, stepPeers, func(ctx context.Context) {
				info, err := disco.GetInfo(ctx, e.session, addr, "")
				e.asked[i].answered, e.asked[i].optedIn = err == nil, err == nil && info.Has(xep.NS)
			})
		})
	}
	wg.Wait()
}

// namedPeers returns the first named peers, each once, and where in the payload they are.
func namedPeers(info *xep.ServerInfo, limit int) (names []xep.Name, paths []string) {
	for i, d := range info.Domains {
		if d.Federation == nil {
			continue
		}
		for j, r := range d.Federation.RemoteDomains {
			name, err := xep.ParseName(r.Name)
			if err != nil || slices.Contains(names, name) {
				continue
			}
			if len(names) == limit {
				return names, paths
			}
			names = append(names, name)
			paths = append(paths, fmt.Sprintf("domain[%d].federation.remote-domain[%d]", i, j))
		}
	}
	return names, paths
}
