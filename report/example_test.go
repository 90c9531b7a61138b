package report_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// A server that is built on mellium reports itself: its s2s code feeds the registry, and its multiplexer advertises.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	session, serve := connected() // the server's own
	defer session.Close()

	conns := new(report.Connections)
	closed := conns.Opened("me.test", "denmark.lit", xep.Outgoing)
	defer closed()
	defer conns.Opened("me.test", "yorick.lit", xep.Bidi)()

	r := &report.Reporter{
		Session: session,
		Domain:  "me.test",
		Service: jid.MustParse("pubsub.me.test"),
		Source:  conns,
		Logger:  slog.New(slog.DiscardHandler),
		Observe: func(e report.Event) {
			fmt.Printf("published %t, withdrawn %t: %d named, %d counted\n", e.Published, e.Withdrawn, e.Named, e.Unnamed)
			stop() // a server would go on
		},
	}
	serve(mux.New(component.NSAccept, r.Handle())) // the domain now advertises the feature and its node
	fmt.Println("ended with", r.Run(ctx))
	// Output:
	// published true, withdrawn false: 1 named, 1 counted
	// published false, withdrawn true: 0 named, 0 counted
	// ended with <nil>
}

// session is one that ends with the world around it.
type session struct {
	*xmpp.Session
	close func()
}

// Close ends it all.
func (s session) Close() { s.close() }

// connected returns a session in a world where denmark.lit opts in and nobody else does.
func connected() (session, func(xmpp.Handler)) {
	world := testserver.New(testserver.Config{})
	world.AddDomain(testserver.Domain{Name: "denmark.lit", Advertise: true})
	conn, err := net.Dial("tcp", world.ComponentAddr())
	if err != nil {
		panic(err)
	}
	s, err := component.NewSession(context.Background(), jid.MustParse("reporter.me.test"), []byte(testserver.Secret), conn)
	if err != nil {
		panic(err)
	}
	var serving sync.WaitGroup
	end := func() {
		_ = conn.Close()
		serving.Wait()
		_ = world.Close()
	}
	return session{s, end}, func(h xmpp.Handler) { serving.Go(func() { _ = s.Serve(h) }) }
}

// router is the part of a server of one's own that sends an IQ and waits for the reply.
type router struct{ server *server }

// SendIQElement is all that a session needs.
func (r router) SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return r.server.route(ctx, iq.Wrap(payload))
}

// A server that is not built on mellium implements one method, and puts the features and the form into its own answer to
// disco#info.
func ExampleReporter_Features() {
	world := &server{advertise: map[string]bool{"denmark.lit": true}}
	conns := new(report.Connections)
	defer conns.Opened("shakespeare.lit", "denmark.lit", xep.Incoming)()
	r := &report.Reporter{
		Session: router{world},
		Domain:  "shakespeare.lit",
		Service: jid.MustParse("pubsub.shakespeare.lit"),
		Source:  conns,
		Logger:  slog.New(slog.DiscardHandler),
	}
	fmt.Println(r.Features())
	fmt.Println(string(r.Form().AppendXML(nil)))

	c, err := r.Once(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Redacted.Names(), c.Redacted.Unnamed())
	// Output:
	// [urn:xmpp:serverinfo:0]
	// <x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field><field var='serverinfo-pubsub-node' type='text-single'><value>xmpp:pubsub.shakespeare.lit?;node=serverinfo</value></field></x>
	// [denmark.lit] 0
}

// Two virtual hosts of one server have a node each. They share what can be shared, so that each peer is asked once.
func ExampleRunAll() {
	ctx, stop := context.WithCancel(context.Background())
	world := &server{advertise: map[string]bool{"denmark.lit": true}}
	conns := new(report.Connections)
	defer conns.Opened("shakespeare.lit", "denmark.lit", xep.Incoming)()
	defer conns.Opened("globe.lit", "denmark.lit", xep.Bidi)()
	consent := &optin.Checker{Session: world}

	var reporters []*report.Reporter
	var published sync.WaitGroup
	for _, domain := range []string{"shakespeare.lit", "globe.lit"} {
		published.Add(1)
		reporters = append(reporters, &report.Reporter{
			Session: world, Source: conns, Consent: consent,
			Domain:  domain,
			Service: jid.MustParse("pubsub." + domain),
			Logger:  slog.New(slog.DiscardHandler),
			Observe: func(e report.Event) {
				if e.Published {
					published.Done()
				}
			},
		})
	}
	_ = report.Handle(reporters...) // for the server's multiplexer
	go func() {
		published.Wait()
		stop() // a server would go on
	}()
	fmt.Println("ended with", report.RunAll(ctx, reporters...))
	for _, r := range reporters {
		fmt.Println(r.Domain, r.Stats().Publications, r.Stats().Withdrawals)
	}
	// Output:
	// ended with <nil>
	// shakespeare.lit 1 1
	// globe.lit 1 1
}
