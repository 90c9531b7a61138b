package main

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/report"
)

// The remedies for what only this program does. In the texts %[1]s is the reporter's address, %[2]s the domain and %[3]s the
// address of the node.
const (
	notAdminRemedy = `Prosody: add the reporter's address to  admins = { … }  at the top or in the VirtualHost, load mod_admin_adhoc, and restart.
ejabberd: use  -source ejabberd , and let the access rule "configure" allow the reporter's address.`

	socketRemedy = `Run the reporter on Prosody's machine, as the user prosody, and load mod_admin_shell.
If the socket is not where Debian has it, name it: -source prosody-socket:PATH`

	advertiseProsody = `Prosody: install prosody-modules, load "delegation" on the VirtualHost and on  Component "%[1]s" , and add to the VirtualHost
    delegations = { ["urn:xmpp:serverinfo:0"] = { jid = "%[1]s" } }`
	advertiseProsodyUser = `Prosody: load "serverinfo_advert" of this program's folder "prosody" on the VirtualHost, and add to it
    serverinfo_pubsub_node = "%[3]s"`
	advertiseEjabberd = `ejabberd: add
    acl:           {reporter: {server: "%[1]s"}}
    access_rules:  {reporter: {allow: reporter}}
    modules:       {mod_delegation: {namespaces: {"urn:xmpp:serverinfo:0": {access: reporter}}}}`
	advertiseEjabberdUser = `ejabberd: only a component can do that: connect with -component, and run the check again.`

	formProsody  = `Prosody: restart it if the reporter was told of another node before, since it keeps the form that it was given first.`
	formEjabberd = `ejabberd: add to mod_disco
    server_info: [{modules: [mod_disco], name: serverinfo-pubsub-node, urls: ["%[3]s"]}]`

	noAnswersRemedy = `Answers to %[1]s come over connections of their own: it needs a name in the DNS and a place in the certificate.
With an administrator's account in its place (-jid) it needs neither.`
)

// remedy is what the operator can do about an error, empty if that is not known.
func remedy(err error) string {
	var refused *pubsub.Error
	var connection *connect.Error
	switch {
	case errors.As(err, &refused):
		return refused.Remedy
	case errors.As(err, &connection):
		return connection.Remedy
	case errors.Is(err, report.ErrNotAdmin):
		return notAdminRemedy
	}
	return ""
}

// sourceRemedy is the same for the error of a source.
func sourceRemedy(source string, err error) string {
	if kind, _, _ := strings.Cut(source, ":"); kind == "prosody-socket" &&
		(errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)) {
		return socketRemedy
	}
	return remedy(err)
}

// forBrand joins the remedies for the brand, or for both if it is not known.
func forBrand(brand pubsub.Brand, prosody, ejabberd string) string {
	switch brand {
	case pubsub.Prosody:
		return prosody
	case pubsub.Ejabberd:
		return ejabberd
	}
	return prosody + "\n" + ejabberd
}
