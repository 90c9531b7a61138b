package main

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/xep"
)

// description is what a consumer under test gets to know.
type description struct {
	Component     string `json:"component"`
	ComponentAddr string `json:"component_addr"`
	Secret        string `json:"secret"`
	Account       string `json:"account"`
	Password      string `json:"password"`
	ClientAddr    string `json:"client_addr"`
	DirectAddr    string `json:"direct_addr"`
	CA            string `json:"ca"`
	// Domains are what there is to be found.
	Domains []domain `json:"domains"`
}

// domain is the truth about one domain, as readers of its report see it.
type domain struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	Advertise bool   `json:"advertises"`
	// What is odd about it, or hostile.
	What    string `json:"what,omitempty"`
	Fault   string `json:"fault,omitempty"`
	Links   []link `json:"links"`
	Unnamed int    `json:"unnamed"`
}

type link struct {
	Name       string          `json:"name"`
	Directions []xep.Direction `json:"directions,omitempty"`
}

// serveNetwork serves until ctx ends.
func serveNetwork(ctx context.Context, c *config, stdout io.Writer) error {
	srv, err := peer.Serve(peer.New("pubsub.me.test"), peer.Config{Home: peer.Domain{Kind: c.kind}, Secret: secret, Password: password})
	if err != nil {
		return err
	}
	defer srv.Close()
	d := description{
		Component: "crawler.me.test", ComponentAddr: srv.ComponentAddr(), Secret: secret,
		Account: srv.Account().String(), Password: password, ClientAddr: srv.ClientAddr(), DirectAddr: srv.DirectAddr(),
		CA: string(srv.CertPEM()), Domains: []domain{},
	}
	if c.domains > 0 {
		for _, one := range srv.AddFederation(c.seed, c.domains) {
			d.Domains = append(d.Domains, describe(one, ""))
		}
	}
	if c.zoo {
		d.Domains = append(d.Domains, fillZoo(srv)...)
	}
	if err := json.NewEncoder(stdout).Encode(d); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func describe(d peer.Domain, what string) domain {
	out := domain{Name: d.Name, Kind: d.Kind.String(), Advertise: d.Advertise, What: what, Links: []link{}}
	if d.Kind.Publishes() {
		out.Unnamed = d.Report.Unnamed
	}
	if d.Fault != 0 {
		out.Fault = d.Fault.String()
	}
	for _, l := range d.Seen() {
		out.Links = append(out.Links, link{l.Name, l.Directions})
	}
	return out
}

// fillZoo adds a domain for each kind, oddity and misdeed, all of which report a link to one that consents, and one to count.
func fillZoo(srv *peer.Server) (all []domain) {
	add := func(d peer.Domain, what string) {
		d.Report = peer.Report{Links: []peer.Link{{Name: "friend.example", Directions: []xep.Direction{xep.Incoming}}}, Unnamed: 1}
		srv.Add(d)
		all = append(all, describe(d, what))
	}
	srv.Add(peer.Domain{Name: "friend.example", Kind: peer.Tigase, Advertise: true})
	for _, k := range peer.Kinds() {
		add(peer.Domain{Name: strings.ToLower(k.String()) + ".kind.example", Kind: k, Advertise: true}, "publishes as "+k.String())
	}
	for _, q := range peer.AllQuirks() {
		add(peer.Domain{Name: strings.ToLower(q.String()) + ".quirk.example", Quirks: q, Advertise: true}, q.String())
	}
	for _, f := range peer.AllFaults() {
		add(peer.Domain{Name: strings.ToLower(f.String()) + ".fault.example", Fault: f, Advertise: true}, f.String())
	}
	return all
}
