// Package remedy says what the operator of a domain has to change so that the network graph shows it, for each brand of server.
//
// There is a text for each case of package conformance and of the doctor that can fail, and one for each step of a visit that can.
// They are plain text of a few lines, and what stands between braces is completed with the names at hand.
package remedy

import (
	"slices"
	"strings"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/xep"
)

// brands are those whose configuration is known here, as they begin the lines of a remedy.
var brands = []string{"Prosody", "ejabberd", "Openfire", "Tigase"}

// byCase say what to change, by case. A line that begins with a brand is for that brand alone.
// {domain}, {service} and {node} stand for those of the domain at hand.
var byCase = map[string]string{
	"dns-domain": `Add an A or AAAA record for {domain}, or the record
_xmpp-server._tcp.{domain}. SRV 0 5 5269 and the name of the server's host.`,
	"s2s-domain": `Let port 5269 through the firewall.
Prosody: serve the domain with  VirtualHost "{domain}"  and do not disable s2s.
ejabberd: add {domain} to  hosts  and  {port: 5269, module: ejabberd_s2s_in}  to  listen .
Openfire: enable Server to Server connections in the admin console.`,
	"tls-domain": `Get a certificate for both names, e.g.  certbot certonly -d {domain} -d {service}
Prosody: then run  prosodyctl --root cert import /etc/letsencrypt/live
ejabberd: then add the PEM files to  certfiles  and run  ejabberdctl reload_config`,
	"dns-service": `Add an A, AAAA or CNAME record for {service} that leads to the same host as {domain}.
Other servers connect to the service by its own name.`,
	"s2s-service": `Prosody: add  Component "{service}" "pubsub"  and make sure that s2s is not disabled for it.
ejabberd: add  mod_pubsub: {hosts: ["{service}"]}  to the modules.
Openfire: set the property  xmpp.pubsub.enabled  to true.`,
	"tls-service": `Add {service} to the certificate's names, e.g.  certbot certonly -d {domain} -d {service}
Prosody: then run  prosodyctl --root cert import /etc/letsencrypt/live
ejabberd: then add the PEM files to  certfiles  and run  ejabberdctl reload_config`,
	"disco-answer": `The account's server got no answer: see the results on names, reachability and certificates of the domain.`,
	"disco-feature": `The domain opts in by the feature urn:xmpp:serverinfo:0 in its own disco#info.
Prosody: load mod_pubsub_serverinfo of the community modules under  VirtualHost "{domain}" , or run the reporter with mod_delegation.
ejabberd: load mod_pubsub_serverinfo of ejabberd-contrib for {domain}, or run the reporter with mod_delegation.
Openfire: install the plugin PubSub Server Info.
Tigase: enable the component that advertises urn:xmpp:serverinfo:0.`,
	"disco-form": `Name the node in the form of XEP-0157.
Prosody: update mod_pubsub_serverinfo.
ejabberd: add to mod_disco  server_info: [{modules: [mod_disco], name: serverinfo-pubsub-node, urls: ["xmpp:{service}?;node={node}"]}]
Openfire: update the plugin PubSub Server Info.`,
	"disco-form-type":   `The field serverinfo-pubsub-node belongs into the form of FORM_TYPE http://jabber.org/network/serverinfo.`,
	"disco-form-single": `Let only one module send the form of FORM_TYPE http://jabber.org/network/serverinfo.`,
	"disco-form-merged": `Put contact addresses and node in one form.
Prosody: update mod_server_contact_info and mod_pubsub_serverinfo to versions that share the form.
ejabberd: give all of it in  server_info  of mod_disco.`,
	"disco-form-uri": `It has to look like  xmpp:{service}?;node={node}`,
	"disco-default-node": `Name the node in a form, or let discovery lead to the service.
Prosody: add  disco_items = { { "{service}", "pubsub" } }  under  VirtualHost "{domain}" .
ejabberd: add  mod_pubsub  to the modules.`,
	"service-identity": `There has to be a pubsub service at {service}.
Prosody: add  Component "{service}" "pubsub" .
ejabberd: add  mod_pubsub: {hosts: ["{service}"]}  to the modules.`,
	"node-name": `The node may have any name that the form gives, but "serverinfo" is where readers without the form look.`,
	"node-exists": `The publisher could not create the node.
Prosody: under  Component "{service}" "pubsub"  add  admins = { "{domain}" }  and restart.
ejabberd: let the rule that mod_pubsub's access_createnode names allow the publisher, and reload.`,
	"node-leaf":        `Delete the node and let the publisher create it as a leaf.`,
	"node-first-level": `Set  pubsub#collection  of the node to nothing.`,
	"node-open":        `Set  pubsub#access_model  of the node to open.`,
	"node-single-item": `Set  pubsub#max_items  of the node to 1, and remove the items of former publishers.`,
	"node-persistent": `Set  pubsub#persist_items  of the node to true.
Prosody: update mod_pubsub_serverinfo, and delete the node {node} that the old version made.`,
	"item-present": `Nothing is published: see the log of the server for why the publisher may not.
Prosody: under  Component "{service}" "pubsub"  add the publisher to  admins  and restart.
ejabberd: the node's owner must make the publisher an owner or a publisher of it.
Tigase: it advertises and publishes nothing; a separate reporter can.`,
	"item-id": `Publish with the item ID "current", so that an item replaces the last one.
Openfire: update the plugin PubSub Server Info.`,
	"privacy-peers": `Ask every peer again at least once in an hour, and publish anew what has changed.
Prosody: update mod_pubsub_serverinfo.
Openfire: update the plugin PubSub Server Info.`,
	"payload-xml":     `Look at what is published: it is not XML. The programs that publish build it by hand, so report it to their authors.`,
	"payload-element": `Publish the element serverinfo of the namespace urn:xmpp:serverinfo:0 alone, and let nothing else use the node {node}.`,
	"payload-domain": `Describe the domain even while there are no peers.
ejabberd: update mod_pubsub_serverinfo, since old versions publish an empty element then.`,
	"payload-domain-name":   `Give each domain its attribute name.`,
	"payload-domain-unique": `Describe each domain once: only one module or program may publish for {domain}.`,
	"payload-direction": `Openfire: update the plugin PubSub Server Info, since old versions send "both".
Each connection is  incoming ,  outgoing  or  bidi .`,
	"payload-own-domain": `The publisher speaks for another domain: run it for {domain}.
Prosody: load mod_pubsub_serverinfo under  VirtualHost "{domain}"  and not elsewhere.
ejabberd: load the module in  host_config  of {domain}.`,
	"payload-remote-name":         `Leave out the attribute of a peer that may not be named, in place of an empty one.`,
	"payload-remote-unique":       `List each peer once, with one element for each connection to it.`,
	"payload-remote-self":         `Leave the domain itself out of its peers.`,
	"payload-name-form":           `Write names in lower case, without a dot at the end, as their servers do.`,
	"payload-extension-namespace": `Put what XEP-0485 does not know into a namespace of its own, or leave it out.`,
	"payload-software":            `Put name and version of the server into the elements of XEP-0092.`,
	"payload-users":               `Give the number of users as digits alone.`,
	"payload-repeated":            `Give each element once where XEP-0485 knows it once.`,
	"payload-size":                `Leave out the connections of each peer, or publish fewer of them.`,
	"payload-peers":               `See whether the server has connections to others at all, and whether the publisher may read them.`,
	"payload-several-domains":     `This is allowed. Where a reader takes only one domain, publish each on a node of its own.`,
	"payload-extensions":          `This is allowed. Leave the extensions out if a reader stumbles over them.`,
	"schema-one-domain":           `This is allowed. For readers that check against the schema, publish each domain on a node of its own.`,
	"schema-federation":           `This is allowed. For readers that check against the schema, add the element  <federation/>  to the domain.`,
	"schema-no-extensions":        `This is allowed. For readers that check against the schema, leave the extensions out.`,
	"schema-elements":             `Use elements and attributes as XEP-0485 spells them.`,
	"freshness": `The publisher has stopped: start it again, or retract its item.
Prosody: see the log for mod_pubsub_serverinfo, and reload it.
ejabberd: see the log for mod_pubsub_serverinfo, and restart it.`,
}

// Where is what the texts are completed with.
type Where struct {
	// Domain is the domain that is looked at, zero where that is not known.
	Domain xep.Name
	// Service is the address of its pubsub service; what is no domain name, such as "", is taken for the usual one below the domain.
	Service string
	// Node is where it publishes, empty for the default.
	Node string
	// Server is what its server calls itself, as a stranger's word; with a known brand in it, only the lines for that brand are given.
	Server string
}

// Of returns what a visit found out about a domain.
func Of(r *crawl.Result) Where {
	w := Where{Domain: r.Domain}
	if l := r.Location; l != nil {
		w.Node, w.Server = l.Node, l.Identity
		if l.Node != "" {
			w.Service = l.Service.String()
		}
	}
	return w
}

// Case returns what to do about a case that failed, empty if that is not known.
// The IDs are those of conformance.Catalogue, dns-, s2s- and tls- for the "domain" and its "service", and "freshness".
func (w Where) Case(id string) string { return w.fill(byCase[id]) }

// Cases returns the IDs for which there is a text, in their order.
func Cases() []string {
	var all []string
	for id := range byCase {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// unknown stands for a domain in what is to be copied; it must not be the name of a real one.
const unknown = "YOUR-DOMAIN"

func (w Where) fill(text string) string {
	domain, service, node := w.Domain.String(), w.Service, w.Node
	if domain == "" {
		domain = unknown
	}
	if _, err := xep.ParseName(service); err != nil {
		// Commands are there to be copied, and what stands in them must be nothing but a name.
		service = "pubsub." + domain
	}
	if !harmless(node) {
		node = xep.DefaultNode
	}
	fill := strings.NewReplacer("{domain}", domain, "{service}", service, "{node}", node)
	return fill.Replace(choose(text, brandOf(w.Server)))
}

// harmless tells whether a node has a name that can stand in a line that an operator copies: a stranger chose it.
func harmless(node string) bool {
	for i := range len(node) {
		switch c := node[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("-._~/:", c) >= 0:
		default:
			return false
		}
	}
	return node != "" && len(node) <= 255
}

// brandOf is the brand in what a server calls itself, empty if it is none of ours.
func brandOf(server string) string {
	for _, b := range brands {
		if strings.Contains(strings.ToLower(server), strings.ToLower(b)) {
			return b
		}
	}
	return ""
}

// choose leaves out the lines for other brands, unless there are no others: what helps one may give the operator of another an idea.
func choose(text, brand string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		of, _, _ := strings.Cut(line, ":")
		if brand == "" || of == brand || !slices.Contains(brands, of) {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		return text
	}
	return strings.Join(kept, "\n")
}
