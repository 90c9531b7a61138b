package web

import (
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/xmppgraph/xmppgraph/xep"
)

// projectSource is where this program comes from.
const projectSource = "https://github.com/xmppgraph/xmppgraph"

// Site is what the operator says about the site. The zero value works.
type Site struct {
	// Title is the name of the site, "The XMPP network" by default.
	Title string
	// URL is where the public finds the site, such as "https://graph.example.org".
	// Without it, pages do not say which of their addresses is the right one, and other sites show no picture beside a link.
	URL string
	// Operator is who runs the site, a name for people. Empty for none.
	Operator string
	// Contact is a mailto:, xmpp: or https: URI of the operator, empty for none.
	Contact string
	// Source is the https: URI of the source that the site runs, that of this project by default.
	Source string
	// OptOut is the address, such as "crawler.example.org", that takes the message "exclude DOMAIN" from the contacts of a domain, empty if none does.
	OptOut string
	// Legal is what the operator has to say or wants to, such as an imprint, in the restricted Markdown of [ParseText].
	Legal string
	// Demo marks the network as invented.
	Demo bool
}

func (s Site) complete() Site {
	if s.Title == "" {
		s.Title = "The XMPP network"
	}
	if s.Source == "" || !strings.HasPrefix(s.Source, "https://") {
		s.Source = projectSource
	}
	s.URL = strings.TrimRight(s.URL, "/")
	if !isBase(s.URL) {
		s.URL = ""
	}
	return s
}

// isBase tells whether paths can be put behind a URL.
func isBase(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil
}

// Contacting is the contact as a link: the schemes that one can have are let through, of which the template alone would refuse xmpp.
func (s Site) Contacting() template.URL { return address(s.Contact) }

// Text is the operator's own text.
func (s Site) Text() []Block { return ParseText(s.Legal) }

// origin is where the site is, for what visitors copy: as the operator says, or else as this visitor has found it.
// What is made with it must not be kept, since another visitor may have found it elsewhere.
func (s *Server) origin(r *http.Request) string {
	if s.site.URL != "" {
		return s.site.URL
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, ""
	}
	name, err := xep.ParseName(host)
	if err != nil || strings.Trim(port, "0123456789") != "" {
		return ""
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	if port != "" {
		port = ":" + port
	}
	return scheme + name.String() + port
}

// address lets through the links that people can follow to reach somebody.
func address(uri string) template.URL {
	for _, scheme := range []string{"mailto:", "xmpp:", "https:"} {
		if strings.HasPrefix(uri, scheme) {
			return template.URL(uri)
		}
	}
	return ""
}
