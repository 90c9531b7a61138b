package pubsub

import (
	"errors"
	"fmt"
	"strings"

	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/disco"
)

// Brand is the kind of server that runs a pubsub service, as far as that can be told from outside.
type Brand string

// The brands for which remedies are known.
const (
	UnknownBrand Brand = ""
	Prosody      Brand = "Prosody"
	Ejabberd     Brand = "ejabberd"
)

// brandOf guesses the brand from the name of the service's identity, which operators may change.
func brandOf(info *disco.Info) Brand {
	for _, id := range info.Identities {
		name := strings.ToLower(id.Name)
		switch {
		case id.Category != "pubsub":
		case strings.Contains(name, "prosody"):
			return Prosody
		case strings.Contains(name, "ejabberd"), name == "publish-subscribe":
			return Ejabberd
		}
	}
	return UnknownBrand
}

// advice is a remedy for one kind of error. Empty conditions match all.
// In the texts %[1]s is the service, %[2]s this session's bare address, %[3]s the rule of ejabberd that matches it, and %[4]s the node.
type advice struct {
	op       string
	cond     stanza.Condition
	pubsub   string
	prosody  string
	ejabberd string
}

const (
	prosodyAdmins  = `under  Component "%[1]s" "pubsub"  add  admins = { "%[2]s" }  and restart`
	ejabberdCreate = `let the rule that mod_pubsub's access_createnode names allow  %[3]s  and reload`
	ejabberdOwner  = `the owner of node %[4]q must make %[2]s an owner of it, or delete it, since an item can be replaced only by who published it`
	noService      = `there is no pubsub service at %[1]s`
	tooBig         = `let the publisher use a smaller limit`
)

var advices = []advice{
	{OpCreate, stanza.Forbidden, "", prosodyAdmins, ejabberdCreate},
	{OpCreate, stanza.NotAllowed, "", prosodyAdmins, ejabberdCreate},
	{OpConfigure, stanza.Forbidden, "", prosodyAdmins, ejabberdOwner},
	{OpPublish, stanza.Forbidden, "", prosodyAdmins, ejabberdOwner},
	{OpRetract, stanza.Forbidden, "", prosodyAdmins, ejabberdOwner},
	{OpPublish, stanza.NotAcceptable, CondPayloadTooBig, tooBig, tooBig + `, or raise pubsub#max_payload_size of node %[4]q`},
	{"", stanza.ServiceUnavailable, "", noService + `: add  Component "%[1]s" "pubsub"`, noService + `: add  mod_pubsub  to the modules`},
	{"", stanza.RemoteServerNotFound, "", noService + `, or its name does not resolve: add  Component "%[1]s" "pubsub"`,
		noService + `, or its name does not resolve: add  mod_pubsub  to the modules`},
}

// advise completes an error of this package with what its operator can do, for the brand or, if that is unknown, for each.
func advise(err error, brand Brand, self string) error {
	var e *Error
	if !errors.As(err, &e) || e.Remedy != "" {
		return err
	}
	for _, a := range advices {
		if same(a.op, e.Op) && same(a.cond, e.Condition) && same(a.pubsub, e.PubSub) {
			e.Remedy = a.text(e, brand, self)
			return err
		}
	}
	return err
}

func (a advice) text(e *Error, brand Brand, self string) string {
	var lines []string
	for _, one := range []struct {
		brand Brand
		text  string
	}{{Prosody, a.prosody}, {Ejabberd, a.ejabberd}} {
		if brand == UnknownBrand || brand == one.brand {
			// The texts don't all use every argument, which only the explicit indexes make possible.
			text := fmt.Sprintf(one.text+"%[5]s", e.Service, self, aclRule(self), e.Node, "")
			lines = append(lines, string(one.brand)+": "+text)
		}
	}
	return strings.Join(lines, "\n")
}

// aclRule is how ejabberd's access rules name an address.
func aclRule(self string) string {
	if strings.Contains(self, "@") {
		return `user: "` + self + `"`
	}
	return `server: "` + self + `"`
}
