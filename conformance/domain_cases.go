package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"

	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	formMetaData   = "http://jabber.org/protocol/pubsub#meta-data"
	fieldAccess    = "pubsub#access_model"
	fieldMaxItems  = "pubsub#max_items"
	fieldPersist   = "pubsub#persist_items"
	fieldContainer = "pubsub#collection"
)

// domainCases are the cases of a live domain, apart from those of its payload.
var domainCases = []definition{
	{Case{"disco-answer", Must, "XEP-0030 §3.1", "The domain answers when it is asked what it is.",
		NeedDomain}, []step{stepInfo}, checkAnswer},
	{Case{"disco-feature", Must, "§3", "A domain that publishes advertises the feature urn:xmpp:serverinfo:0, by which it opts in.",
		NeedDomain}, []step{stepInfo}, checkFeature},
	{Case{"disco-form", Should, "§3", "The answer has a form that names the service and node.",
		NeedDomain}, []step{stepInfo}, checkForm},
	{Case{"disco-form-type", Must, "§3", "That form is the one of FORM_TYPE http://jabber.org/network/serverinfo.",
		NeedDomain}, []step{stepInfo}, checkFormType},
	{Case{"disco-form-single", Should, "§8", "There is one form of that FORM_TYPE.",
		NeedDomain}, []step{stepInfo}, checkFormSingle},
	{Case{"disco-form-merged", Should, "§8", "The contact addresses of XEP-0157 are in the same form as the node.",
		NeedDomain}, []step{stepInfo}, checkFormMerged},
	{Case{"disco-form-uri", Must, "§3, XEP-0060 §12.22", "What the form gives is the URI of a pubsub node.",
		NeedDomain}, []step{stepInfo}, checkURI},
	{Case{"disco-default-node", Must, "§3", "Without a form, the node is \"serverinfo\" on the first pubsub service that discovery leads to.",
		NeedDomain}, []step{stepItems}, checkDefault},
	{Case{"service-identity", Must, "§5", "The node is on a pubsub service.",
		NeedDomain}, []step{stepService}, checkService},
	{Case{"node-name", Should, "§5", "The node is named \"serverinfo\".",
		NeedDomain}, []step{stepInfo, stepItems}, checkNodeName},
	{Case{"node-exists", Must, "§3", "The node that is advertised exists.",
		NeedDomain}, []step{stepNode}, checkNodeExists},
	{Case{"node-leaf", Must, "§3, §5", "The node is a leaf.",
		NeedDomain}, []step{stepNode}, checkLeaf},
	{Case{"node-first-level", Must, "§3, §5", "The node is a first-level one: it hangs below no other.",
		NeedDomain}, []step{stepNode, stepServiceItems}, checkFirstLevel},
	{Case{"node-open", Should, "§5", "Anybody may read the node.",
		NeedDomain}, []step{stepNode, stepFetch}, checkOpen},
	{Case{"node-single-item", Should, "§5", "The node holds one item at most.",
		NeedDomain}, []step{stepNode, stepNodeItems}, checkSingleItem},
	{Case{"node-persistent", Should, "§5, XEP-0060 §12.20", "The node keeps its item, so that it can be fetched.",
		NeedDomain}, []step{stepNode, stepFetch}, checkPersistent},
	{Case{"item-present", Should, "§5", "There is an item on the node.",
		NeedDomain}, []step{stepFetch}, checkItem},
	{Case{"item-id", Should, "§5, XEP-0060 §12.20", "The item's ID is \"current\".",
		NeedDomain}, []step{stepFetch}, checkItemID},
	{Case{"privacy-peers", Must, "§4, §7", "Each remote domain that is named advertises the feature.",
		NeedDomain}, []step{stepPeers}, checkNamedPeers},
}

// closed is the outcome where the domain did not opt in, which makes all other cases pointless.
func (e *evidence) closed() (outcome, bool) {
	switch {
	case e.info == nil:
		return skip("the domain gave no answer"), true
	case !e.optedIn():
		return skip("the domain does not opt in"), true
	}
	return outcome{}, false
}

// lost is the outcome where nothing is known of a node.
func (e *evidence) lost() (outcome, bool) {
	if o, ok := e.closed(); ok {
		return o, true
	}
	if e.locateErr != nil {
		return skip("it is not known which node it is"), true
	}
	return outcome{}, false
}

// nodeGone is the outcome where there is no such node.
func (e *evidence) nodeGone() (outcome, bool) {
	if o, ok := e.lost(); ok {
		return o, true
	}
	if errors.Is(e.nodeErr, stanza.Error{Condition: stanza.ItemNotFound}) {
		return skip("there is no such node"), true
	}
	return outcome{}, false
}

// why says in words why there is no answer.
func why(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}

func checkAnswer(e *evidence) outcome {
	if e.infoErr != nil {
		return fail("%s", why(e.infoErr))
	}
	return pass("%s", brand(e.info))
}

// brand is the name in the domain's server identity.
func brand(info *disco.Info) string {
	for _, id := range info.Identities {
		if id.Category == "server" && id.Name != "" {
			return id.Name
		}
	}
	return ""
}

func checkFeature(e *evidence) outcome {
	switch {
	case e.info == nil:
		return skip("the domain gave no answer")
	case e.optedIn():
		return pass("")
	}
	if _, err := xep.FindNodeURI(e.info.Forms); err == nil {
		return fail("the domain does not opt in, though it names a node: the feature is missing")
	}
	return fail("the domain does not opt in, and may not be named")
}

func checkForm(e *evidence) outcome {
	if o, ok := e.closed(); ok {
		return o
	}
	if errors.Is(e.uriErr, xep.ErrNoForm) {
		return fail("no form has the field %s", xep.FieldNode)
	}
	return pass("")
}

func checkFormType(e *evidence) outcome {
	if o, ok := e.closed(); ok {
		return o
	}
	seen := false
	for _, f := range e.info.Forms {
		if len(f.Values(xep.FieldNode)) == 0 {
			continue
		}
		if f.FormType() != xep.FormType {
			return fail("a form of FORM_TYPE %q has the field %s", f.FormType(), xep.FieldNode)
		}
		seen = true
	}
	if !seen {
		return none("there is no form with the node")
	}
	return pass("")
}

// infoForms counts the forms of the FORM_TYPE, and tells whether contacts stand in another one than the node.
func (e *evidence) infoForms() (count int, contacts, apart bool) {
	for _, f := range e.info.Forms {
		if f.FormType() != xep.FormType {
			continue
		}
		count++
		node := len(f.Values(xep.FieldNode)) > 0
		for _, field := range f.Fields {
			if strings.HasSuffix(field.Var, "-addresses") {
				contacts = true
				apart = apart || !node
			}
		}
	}
	return count, contacts, apart
}

func checkFormSingle(e *evidence) outcome {
	if o, ok := e.closed(); ok {
		return o
	}
	count, _, apart := e.infoForms()
	switch {
	case count > 1 && apart:
		return none("the other form is that of the contact addresses, see disco-form-merged")
	case count > 1:
		return fail("there are %d forms of FORM_TYPE %s", count, xep.FormType)
	case count == 0:
		return none("there is no form")
	}
	return pass("")
}

func checkFormMerged(e *evidence) outcome {
	if o, ok := e.closed(); ok {
		return o
	}
	count, contacts, apart := e.infoForms()
	switch {
	case !contacts:
		return none("there are no contact addresses")
	case errors.Is(e.uriErr, xep.ErrNoForm):
		return none("there is no form with the node")
	case count > 1 && apart:
		return fail("the contact addresses are in a form of their own")
	}
	return pass("")
}

func checkURI(e *evidence) outcome {
	if o, ok := e.closed(); ok {
		return o
	}
	switch {
	case errors.Is(e.uriErr, xep.ErrNoForm):
		return none("there is no form with the node")
	case e.uriErr != nil:
		return fail("%s", why(e.uriErr))
	}
	return pass("%s", e.uri)
}

func checkDefault(e *evidence) outcome {
	if o, ok := e.closed(); ok {
		return o
	}
	switch {
	case !errors.Is(e.uriErr, xep.ErrNoForm):
		return none("a form names the node")
	case errors.Is(e.locateErr, pubsub.ErrNoService):
		return fail("%s", why(e.locateErr))
	case e.locateErr != nil:
		return skip("%s", why(e.locateErr))
	}
	return pass("%q on %s", e.node, e.service)
}

func checkService(e *evidence) outcome {
	if o, ok := e.lost(); ok {
		return o
	}
	switch {
	case e.serviceErr != nil:
		return fail("%s", why(e.serviceErr))
	case !e.serviceInfo.Identity("pubsub", "service"):
		return fail("%s is not a pubsub service", e.service)
	}
	return pass("%s", e.service)
}

func checkNodeName(e *evidence) outcome {
	if o, ok := e.lost(); ok {
		return o
	}
	if e.node != xep.DefaultNode {
		return fail("the node is named %q", e.node)
	}
	return pass("")
}

func checkNodeExists(e *evidence) outcome {
	if o, ok := e.lost(); ok {
		return o
	}
	switch {
	case errors.Is(e.nodeErr, stanza.Error{Condition: stanza.ItemNotFound}) && errors.Is(e.uriErr, xep.ErrNoForm):
		return none("no node is advertised, and there is none by default: see item-present")
	case errors.Is(e.nodeErr, stanza.Error{Condition: stanza.ItemNotFound}):
		return fail("there is no node %q on %s", e.node, e.service)
	case e.nodeErr != nil && e.serviceErr != nil:
		return skip("the service gave no answer")
	case e.nodeErr != nil && e.item == nil:
		return skip("%s", why(e.nodeErr))
	}
	return pass("")
}

func checkLeaf(e *evidence) outcome {
	if o, ok := e.nodeGone(); ok {
		return o
	}
	switch {
	case e.nodeErr != nil:
		return skip("%s", why(e.nodeErr))
	case !e.nodeInfo.Identity("pubsub", "leaf"):
		return fail("the node has no identity of category pubsub and type leaf")
	}
	return pass("")
}

func checkFirstLevel(e *evidence) outcome {
	if o, ok := e.nodeGone(); ok {
		return o
	}
	if above := e.metaData(fieldContainer); len(above) > 0 && above[0] != "" {
		return fail("the node is in collection %q", above[0])
	}
	listed := slices.ContainsFunc(e.serviceItems, func(i disco.Item) bool { return i.Node == e.node })
	if !listed {
		// Services may leave out what they like, and list no more than a page.
		return skip("the service does not list the node")
	}
	return pass("")
}

// metaData returns a field of what the node tells about itself (XEP-0060 §5.4).
func (e *evidence) metaData(field string) []string {
	if e.nodeInfo == nil {
		return nil
	}
	for _, f := range e.nodeInfo.Forms {
		if f.FormType() == formMetaData {
			return f.Values(field)
		}
	}
	return nil
}

// refusals are what a service answers to those who may not read a node.
var refusals = []stanza.Condition{stanza.Forbidden, stanza.NotAuthorized, stanza.NotAllowed, stanza.RegistrationRequired}

func refused(err error) bool {
	return slices.ContainsFunc(refusals, func(c stanza.Condition) bool { return errors.Is(err, stanza.Error{Condition: c}) })
}

func checkOpen(e *evidence) outcome {
	if o, ok := e.nodeGone(); ok {
		return o
	}
	model := e.metaData(fieldAccess)
	switch {
	case len(model) > 0 && model[0] != "open":
		return fail("the access model is %q", model[0])
	case refused(e.fetchErr):
		return fail("%s", why(e.fetchErr))
	case len(model) > 0 || e.item != nil:
		return pass("")
	}
	return skip("the node does not tell, and there is no item")
}

func checkSingleItem(e *evidence) outcome {
	if o, ok := e.nodeGone(); ok {
		return o
	}
	most := e.metaData(fieldMaxItems)
	switch {
	case len(e.nodeItems) > 1:
		return fail("the node holds %d items", len(e.nodeItems))
	case len(most) > 0 && most[0] != "1":
		return fail("%s is %q", fieldMaxItems, most[0])
	case e.nodeItemsErr != nil && len(most) == 0:
		return skip("%s", why(e.nodeItemsErr))
	}
	return pass("")
}

func checkPersistent(e *evidence) outcome {
	if o, ok := e.nodeGone(); ok {
		return o
	}
	kept := e.metaData(fieldPersist)
	switch {
	case errors.Is(e.fetchErr, pubsub.ErrNotPersistent):
		return fail("the node keeps no items, so that only its subscribers ever see one")
	case len(kept) > 0 && (kept[0] == "0" || kept[0] == "false"):
		return fail("%s is %q", fieldPersist, kept[0])
	case e.item != nil || len(e.nodeItems) > 0:
		return pass("")
	}
	return skip("there is no item")
}

func checkItem(e *evidence) outcome {
	if o, ok := e.lost(); ok {
		return o
	}
	var reply *roundtrip.Error
	switch {
	case e.item != nil, len(e.nodeItems) > 0, errors.Is(e.fetchErr, pubsub.ErrPayload):
		return pass("")
	case errors.Is(e.fetchErr, pubsub.ErrNotPersistent):
		return skip("the node keeps no items")
	case refused(e.fetchErr):
		return skip("the node is not open")
	case errors.Is(e.fetchErr, pubsub.ErrNoItem), errors.As(e.fetchErr, &reply):
		return fail("%s", why(e.fetchErr))
	}
	return skip("%s", why(e.fetchErr))
}

func checkItemID(e *evidence) outcome {
	if o, ok := e.lost(); ok {
		return o
	}
	switch {
	case e.item == nil:
		return skip("no item was fetched")
	case e.item.ID != xep.ItemCurrent:
		return fail("the item's ID is %q", e.item.ID)
	}
	return pass("")
}

func checkNamedPeers(e *evidence) outcome {
	if o, ok := e.payload.unusable(); ok {
		return o
	}
	if len(e.asked) == 0 {
		return none("no peer is named, or none was to be asked")
	}
	var without []string
	answered := 0
	for _, p := range e.asked {
		if p.answered {
			answered++
		}
		if p.answered && !p.optedIn {
			without = append(without, p.path)
		}
	}
	switch {
	case len(without) > 0:
		return fail("%d of %d peers that answered do not opt in (or have just ceased to): %s",
			len(without), answered, strings.Join(without, ", "))
	case answered == 0:
		return skip("none of %d peers answered", len(e.asked))
	}
	return pass("%d of %d peers answered, and opt in", answered, len(e.asked))
}
