// Package crawl reads the network: the role of whoever wants to draw it.
//
// [Visit] reads one domain and tells every step, which answers "why does my domain not show up?".
// [Crawler] starts at a few domains and visits whoever their reports name, again and again:
//
//	c := &crawl.Crawler{Session: s, Contact: "mailto:ops@example.org", Seeds: []string{"example.org"}}
//	for ev := range c.Run(ctx) {
//		ev.Apply(g)
//	}
//
// # What counts
//
// A report binds to the domain whose own disco points at the node that holds it, if that domain advertises the feature (XEP-0485 §3).
// What the payload says of other domains is quarantined, with the reason.
// One node may serve all domains of a server: each of them is then visited itself, and gets its own part of the payload.
//
// A reporter's word is never enough to name a peer.
// Each named peer is asked itself, and is counted as unnamed for as long as it has no live verdict.
//
// # Events
//
// A crawler whose session answers by [Crawler.Handle] subscribes to the node of each domain that opts in, before it fetches:
//
//	c := &crawl.Crawler{Contact: "mailto:ops@example.org", Seeds: []string{"example.org"}}
//	s, err := connect.Component(ctx, connect.Config{…, Handler: mux.New(component.NSAccept, c.Handle(), optin.Handle())})
//	…
//	c.Session = s
//
// An event is bound like a fetched item, to the domains whose own disco points at the node.
// While a subscription lives, a visit only asks the domain whether it still opts in, and the item is fetched now and then for safety.
// Some nodes keep no items: only a subscriber ever sees what they publish.
//
// # Restarts
//
// With a [Store] a run goes on where the last one ended, and names nobody whose verdict has ended meanwhile.
//
// # Politeness
//
// Questions to one host, and those of one visit, are spaced (a second by default), all together are limited,
// and visits are spread over the interval;
// a domain that fails is asked ever less often, and given up after a week of silence.
// Subscriptions that nobody needs any more are ended.
// The crawler says who it is: a contact is required.
package crawl
