package remedy

import (
	"context"
	"errors"

	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// What only a visit can say: it sees that a server can't be reached and not why.
const (
	notAName = `Give the domain alone, as it stands behind the @ of its users' addresses.`

	notReached = `Other servers do not reach {domain}. Check, in this order:
its A or AAAA record, or _xmpp-server._tcp.{domain}. SRV 0 5 5269 and the name of the server's host;
that the firewall lets port 5269 through;
that the certificate covers {domain} and has not expired.
The doctor tells which of them it is:  doctor {domain}`

	tooLate = `The server of {domain} took the question and gave no answer in time. Look for it in the server's log, and try again later.`

	notBound = `The item has to describe {domain} itself, even while there are no peers.`

	noDisco = `The server has to answer disco#info about {domain} to anybody.
Prosody: load  disco  in  modules_enabled .
ejabberd: add  mod_disco  to the modules.`

	serviceNotReached = `Other servers connect to {service} by its own name. Check, in this order:
its A, AAAA or CNAME record; that the certificate covers {service}; that the server serves it.
The doctor tells which of them it is:  doctor {domain}`
)

// Step returns what to do about a step of a visit that failed, empty if that is not known or the step did not fail.
func (w Where) Step(s pubsub.Step) string {
	if s.Status != pubsub.StatusFailed {
		return ""
	}
	switch s.Name {
	case crawl.StepName, pubsub.StepAddress:
		return notAName
	case pubsub.StepDomainInfo:
		return w.fill(ofDomain(s.Err))
	case pubsub.StepOptIn:
		return w.Case("disco-feature")
	case pubsub.StepForm:
		return w.Case("disco-form-uri")
	case pubsub.StepDomainItems, pubsub.StepServiceInfo:
		return w.Case("disco-default-node")
	case pubsub.StepNodeInfo:
		return w.fill(ofNode(s.Err))
	case pubsub.StepFetch, crawl.StepEvent:
		return w.fill(ofItem(s.Err))
	case crawl.StepBind:
		return w.fill(notBound + "\n" + byCase["payload-own-domain"])
	}
	return ""
}

// unreached tells the answers that an unreachable server's place is taken by.
func unreached(err error) bool {
	return is(err, stanza.RemoteServerNotFound) || is(err, stanza.RemoteServerTimeout)
}

func is(err error, c stanza.Condition) bool { return errors.Is(err, stanza.Error{Condition: c}) }

func ofDomain(err error) string {
	switch {
	case unreached(err):
		return notReached
	case errors.Is(err, context.DeadlineExceeded):
		return tooLate
	}
	return noDisco
}

func ofNode(err error) string {
	switch {
	case unreached(err):
		return serviceNotReached
	case is(err, stanza.ItemNotFound):
		return byCase["node-exists"]
	case is(err, stanza.ServiceUnavailable):
		return byCase["service-identity"]
	case err != nil && !isReply(err) && !errors.Is(err, context.DeadlineExceeded):
		return byCase["node-leaf"]
	}
	return ""
}

// isReply tells an error that the service answered with.
func isReply(err error) bool {
	var e stanza.Error
	return errors.As(err, &e)
}

func ofItem(err error) string {
	switch {
	case unreached(err):
		return serviceNotReached
	case errors.Is(err, pubsub.ErrNotPersistent):
		return byCase["node-persistent"]
	case errors.Is(err, pubsub.ErrNoItem):
		return byCase["item-present"]
	case errors.Is(err, pubsub.ErrPayload):
		return ofPayload(err)
	case is(err, stanza.ItemNotFound):
		return byCase["node-exists"]
	case is(err, stanza.Forbidden), is(err, stanza.NotAuthorized), is(err, stanza.NotAllowed):
		return byCase["node-open"]
	case is(err, stanza.ServiceUnavailable), is(err, stanza.FeatureNotImplemented):
		return byCase["service-identity"]
	}
	return ""
}

func ofPayload(err error) string {
	if errors.Is(err, xep.ErrLimit) {
		return byCase["payload-size"]
	}
	return byCase["payload-element"]
}
