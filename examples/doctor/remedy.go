package main

import (
	"slices"
	"strings"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/xep"
)

// brands are those whose configuration is known here, as they begin the lines of a remedy.
var brands = []string{"Prosody", "ejabberd", "Openfire", "Tigase"}

// remedies say what to change, by case. A line that begins with a brand is for that brand alone.
// {domain}, {service} and {node} stand for those of the domain at hand.
var remedies = map[string]string{
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
	"privacy-peers":     `Ask every peer again at least once in an hour, and publish anew what has changed.`,
	"payload-domain":    `Describe the domain even while there are no peers.`,
	"payload-direction": `Openfire: update the plugin PubSub Server Info, since old versions send "both".`,
	"payload-own-domain": `The publisher speaks for another domain: run it for {domain}.
Prosody: load mod_pubsub_serverinfo under  VirtualHost "{domain}"  and not elsewhere.
ejabberd: load the module in  host_config  of {domain}.`,
	"payload-remote-name": `Leave out the attribute of a peer that may not be named, in place of an empty one.`,
	"payload-size":        `Leave out the connections of each peer, or publish fewer of them.`,
	"freshness":           `The publisher has stopped: start it again, or retract its item.`,
}

// addRemedies completes the results that failed, with what fits the brand of the server as far as that is known.
func addRemedies(r *conformance.Report) {
	service, node := r.Service, r.Node
	if _, err := xep.ParseName(service); err != nil {
		// Commands are there to be copied, and what stands in them must be nothing but a name.
		service = "pubsub." + r.Target
	}
	if node == "" {
		node = "serverinfo"
	}
	fill := strings.NewReplacer("{domain}", r.Target, "{service}", service, "{node}", node)
	brand := brandOf(r.Server)
	for i := range r.Results {
		if one := &r.Results[i]; one.Status == conformance.Fail {
			one.Remedy = fill.Replace(choose(remedies[one.ID], brand))
		}
	}
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

// choose leaves out the lines for other brands.
func choose(text, brand string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		of, _, _ := strings.Cut(line, ":")
		if brand == "" || of == brand || !slices.Contains(brands, of) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}
