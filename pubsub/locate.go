package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/xep"
)

// maxServices bounds how many entries of a domain's disco#items are asked what they are.
// Without a bound a domain could list strangers and have us query them all.
const maxServices = 16

// The reasons for which a domain has no location.
var (
	// ErrNotAdvertised is a domain that answers and does not advertise the feature: it has not opted in.
	ErrNotAdvertised = errors.New("the domain does not advertise " + xep.NS)
	// ErrNoService is a domain that advertises the feature without a form and lists no pubsub service for the default node.
	ErrNoService = errors.New("no pubsub service in the domain's disco#items")
	// ErrNotAddressable is a name that exists in DNS and that no XMPP address can hold.
	ErrNotAddressable = errors.New("the name is not a valid XMPP address")
)

// Location is where a domain publishes its server information, as the domain itself says.
type Location struct {
	// Domain is the domain that was asked.
	Domain xep.Name
	// Answered tells whether the domain answered its disco#info with a result.
	Answered bool
	// Advertised tells whether that answer held the feature, which is the opt-in and the only one (XEP-0485 §3, §7).
	// That a node exists is never evidence: users of many services may create one.
	Advertised bool
	// Identity is the name that the domain's server identity carries, usually the software, empty if it has none.
	Identity string
	// Service and Node are the coordinates, zero if they were not found.
	Service jid.JID
	Node    string
	// Default tells that the domain names no node, so that the coordinates are those of XEP-0485 §3 by default.
	Default bool
	// Leaf tells whether the node says that it is a leaf, as XEP-0485 §3 demands.
	Leaf bool
	// Err is why there are no coordinates, nil if there are.
	Err error
	// Trace tells every step.
	Trace Trace
}

// Locate finds the node on which domain publishes, with the zero [Locator].
func Locate(ctx context.Context, s Session, domain xep.Name) (*Location, error) {
	return (&Locator{Session: s}).Locate(ctx, domain)
}

// Locator finds nodes.
// Only Session is required.
type Locator struct {
	// Session carries the questions.
	Session Session
	// Now is the clock of the trace, nil means time.Now.
	Now func() time.Time
	// OnStep is told of every step when it ends, nil means that nobody is.
	OnStep func(Step)
	// Known is where the domain was found to publish before, nil if that is not known.
	// What it holds is not asked again: the service of the default node, and whether the node is a leaf.
	// The domain itself is asked in any case, and believed.
	Known *Location
}

// Locate asks domain whether it opts in and where it publishes (XEP-0485 §3).
//
// Named in the answer's form is the node's URI; without one it is the node "serverinfo" on the first pubsub service of the domain's disco#items.
// The location is never nil and holds the trace so far; the error is the location's Err:
// [ErrNotAdvertised], [ErrNoService], [ErrNotAddressable], what [xep.FindNodeURI] refused, or why a question got no answer.
//
// A node that does not call itself a leaf is noted in the trace and is no error, as services differ in what they tell about nodes; a fetch settles it.
func (l *Locator) Locate(ctx context.Context, domain xep.Name) (*Location, error) {
	f := &finder{
		Locator:  l,
		recorder: newRecorder(l.Now, l.OnStep),
		loc:      &Location{Domain: domain},
	}
	f.loc.Err = f.run(ctx)
	if f.loc.Err != nil {
		f.loc.Service, f.loc.Node = jid.JID{}, ""
	}
	f.loc.Trace = f.trace
	return f.loc, f.loc.Err
}

// finder is one run of a Locator.
type finder struct {
	*Locator
	*recorder
	loc  *Location
	addr jid.JID
	info *disco.Info
}

func (f *finder) run(ctx context.Context) error {
	if err := f.askDomain(ctx); err != nil {
		return err
	}
	optIn := "feature " + xep.NS
	if !f.info.Has(xep.NS) {
		return f.fail(StepOptIn, optIn, ErrNotAdvertised)
	}
	f.loc.Advertised = true
	f.note(StepOptIn, StatusOK, optIn, "advertised")

	named, err := f.fromForm()
	if err != nil {
		return err
	}
	if !named && !f.fromKnown() {
		if err := f.fromItems(ctx); err != nil {
			return err
		}
	}
	if k := f.Known; k != nil && k.Node == f.loc.Node && k.Service.Equal(f.loc.Service) {
		f.loc.Leaf = k.Leaf
		return nil
	}
	f.checkLeaf(ctx)
	return nil
}

func (f *finder) askDomain(ctx context.Context) error {
	name := f.loc.Domain.Unicode()
	addr, err := f.loc.Domain.JID()
	if err != nil {
		return f.fail(StepAddress, "address of "+name, fmt.Errorf("%w: %v", ErrNotAddressable, err))
	}
	f.addr = addr
	return f.do(StepDomainInfo, "disco#info of "+name, func() (string, error) {
		info, err := disco.GetInfo(ctx, f.Session, addr, "")
		if err != nil {
			return "", err
		}
		f.info = info
		f.loc.Answered = true
		f.loc.Identity = identityName(info)
		got := fmt.Sprintf("%d features, %d forms", len(info.Features), len(info.Forms))
		if f.loc.Identity != "" {
			got = f.loc.Identity + ", " + got
		}
		return got, nil
	})
}

func identityName(info *disco.Info) string {
	for _, id := range info.Identities {
		if id.Category == "server" && id.Name != "" {
			// The answer's strings hold on to the whole of it.
			return strings.Clone(id.Name)
		}
	}
	return ""
}

// fromForm takes the coordinates from the domain's form, and reports whether it named any.
// A malformed URI is an error and not a reason for the default, which XEP-0485 §3 reserves for domains that name none.
func (f *finder) fromForm() (named bool, err error) {
	asked := "field " + xep.FieldNode
	uri, err := xep.FindNodeURI(f.info.Forms)
	switch {
	case errors.Is(err, xep.ErrNoForm):
		f.loc.Default = true
		f.note(StepForm, StatusSkipped, asked, fmt.Sprintf("not given, so node %q on the first pubsub service", xep.DefaultNode))
		return false, nil
	case err != nil:
		return false, f.fail(StepForm, asked, err)
	}
	f.loc.Service, f.loc.Node = uri.Service, strings.Clone(uri.Node)
	f.note(StepForm, StatusOK, asked, uri.String())
	return true, nil
}

// fromKnown takes the service of the default node from an earlier location.
func (f *finder) fromKnown() bool {
	k := f.Known
	if k == nil || !k.Default || k.Node != xep.DefaultNode || k.Service.Equal(jid.JID{}) {
		return false
	}
	f.loc.Service, f.loc.Node = k.Service, k.Node
	return true
}

// fromItems finds the first pubsub service among the domain's items.
// The domain itself comes last: some servers are their own service, and ejabberd's domain calls itself one of type pep, which is for its users only.
func (f *finder) fromItems(ctx context.Context) error {
	var items []disco.Item
	err := f.do(StepDomainItems, "disco#items of "+f.loc.Domain.Unicode(), func() (got string, err error) {
		items, err = disco.GetItems(ctx, f.Session, f.addr, "")
		return fmt.Sprintf("%d items", len(items)), err
	})
	if err != nil {
		return err
	}
	f.loc.Node = xep.DefaultNode
	asked := 0
	for _, it := range items {
		addr, err := jid.Parse(it.JID)
		if err != nil || it.Node != "" || addr.Equal(f.addr) {
			continue
		}
		if asked++; asked > maxServices {
			break
		}
		if f.isService(ctx, addr) {
			f.loc.Service = addr
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if f.info.Identity("pubsub", "service") {
		f.note(StepServiceInfo, StatusOK, "the domain itself", "pubsub service")
		f.loc.Service = f.addr
		return nil
	}
	return f.fail(StepServiceInfo, "first pubsub service", ErrNoService)
}

// isService asks one entity whether it is a pubsub service.
// One that isn't, or does not answer, is passed over: only that none is found is a failure.
func (f *finder) isService(ctx context.Context, addr jid.JID) bool {
	s := Step{Name: StepServiceInfo, Asked: "disco#info of " + addr.String(), Start: f.now()}
	info, err := disco.GetInfo(ctx, f.Session, addr, "")
	s.Took = f.now().Sub(s.Start)
	yes := false
	switch {
	case err != nil:
		s.Status, s.Got = StatusSkipped, err.Error()
	case info.Identity("pubsub", "service"):
		s.Got, yes = "pubsub service", true
	default:
		s.Status, s.Got = StatusSkipped, "not a pubsub service: "+identities(info)
	}
	f.add(s)
	return yes
}

func (f *finder) checkLeaf(ctx context.Context) {
	asked := fmt.Sprintf("disco#info of node %q on %s", f.loc.Node, f.loc.Service)
	// The outcome is in the location and the trace; see Locate for why it is no error.
	_ = f.do(StepNodeInfo, asked, func() (string, error) {
		info, err := disco.GetInfo(ctx, f.Session, f.loc.Service, f.loc.Node)
		if err != nil {
			return "", err
		}
		if !info.Identity("pubsub", "leaf") {
			return "", fmt.Errorf("the node is not a pubsub leaf: %s", identities(info))
		}
		f.loc.Leaf = true
		return "pubsub leaf", nil
	})
}

func identities(info *disco.Info) string {
	if len(info.Identities) == 0 {
		return "no identity"
	}
	all := make([]string, 0, len(info.Identities))
	for _, id := range info.Identities {
		all = append(all, id.Category+"/"+id.Type)
	}
	return strings.Join(all, ", ")
}
