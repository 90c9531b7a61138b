package remedy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

var here = Where{Domain: xep.MustName("me.example"), Service: "data.me.example", Node: "serverinfo/me.example", Server: "Prosody 0.12"}

func TestTexts(t *testing.T) {
	for _, id := range Cases() {
		for _, server := range append([]string{""}, brands...) {
			w := here
			w.Server = server
			text := w.Case(id)
			require.NotEmpty(t, text, id)
			require.NotRegexp(t, `\{(domain|service|node)\}`, text, id)
			require.NotContains(t, text, "\n\n", id)
			require.Equal(t, strings.TrimSpace(text), text, id)
		}
	}
	require.Empty(t, here.Case("no such case"))
}

func TestBrands(t *testing.T) {
	require.Equal(t, "both\nejabberd: e", choose("both\nProsody: p\nejabberd: e", "ejabberd"))
	require.Equal(t, "both\nProsody: p\nejabberd: e", choose("both\nProsody: p\nejabberd: e", ""))
	require.Equal(t, "Prosody: p", choose("Prosody: p", "Tigase"))
	require.Equal(t, "Openfire", brandOf("Openfire Server"))
	require.Empty(t, brandOf("something"))
}

// What a stranger chose must not get into a line that an operator copies.
func TestHostileNames(t *testing.T) {
	w := Where{Domain: here.Domain, Service: "x; rm -rf /", Node: "$(reboot)\u202e"}
	require.Contains(t, w.Case("node-persistent"), "the node serverinfo that")
	require.Contains(t, w.Case("tls-service"), "certbot certonly -d me.example -d pubsub.me.example\n")
	require.Contains(t, Where{}.Case("tls-service"), "certbot certonly -d YOUR-DOMAIN -d pubsub.YOUR-DOMAIN\n")
}

func TestSteps(t *testing.T) {
	reply := func(c stanza.Condition) error { return fmt.Errorf("fetch: %w", stanza.Error{Condition: c}) }
	for _, c := range []struct {
		name, step string
		err        error
		want       string
	}{
		{"no name", crawl.StepName, errors.New("no name"), "behind the @"},
		{"no address", pubsub.StepAddress, pubsub.ErrNotAddressable, "behind the @"},
		{"unreachable", pubsub.StepDomainInfo, reply(stanza.RemoteServerNotFound), "do not reach me.example"},
		{"unreachable in time", pubsub.StepDomainInfo, reply(stanza.RemoteServerTimeout), "port 5269"},
		{"silent", pubsub.StepDomainInfo, context.DeadlineExceeded, "gave no answer in time"},
		{"no disco", pubsub.StepDomainInfo, reply(stanza.ServiceUnavailable), "Prosody: load  disco"},
		{"no opt-in", pubsub.StepOptIn, pubsub.ErrNotAdvertised, "Prosody: load mod_pubsub_serverinfo"},
		{"bad URI", pubsub.StepForm, errors.New("no URI"), "xmpp:data.me.example?;node=serverinfo/me.example"},
		{"no items", pubsub.StepDomainItems, reply(stanza.ServiceUnavailable), "disco_items"},
		{"no service", pubsub.StepServiceInfo, pubsub.ErrNoService, "disco_items"},
		{"no node", pubsub.StepNodeInfo, reply(stanza.ItemNotFound), "could not create the node"},
		{"service unreachable", pubsub.StepNodeInfo, reply(stanza.RemoteServerNotFound), "connect to data.me.example by its own name"},
		{"not pubsub", pubsub.StepNodeInfo, reply(stanza.ServiceUnavailable), `Component "data.me.example" "pubsub"`},
		{"no leaf", pubsub.StepNodeInfo, errors.New("the node is not a pubsub leaf"), "as a leaf"},
		{"node unknown", pubsub.StepNodeInfo, reply(stanza.InternalServerError), ""},
		{"fetch unreachable", pubsub.StepFetch, reply(stanza.RemoteServerTimeout), "connect to data.me.example by its own name"},
		{"nothing kept", pubsub.StepFetch, pubsub.ErrNotPersistent, "pubsub#persist_items"},
		{"no item", pubsub.StepFetch, pubsub.ErrNoItem, "Nothing is published"},
		{"no node to fetch", pubsub.StepFetch, reply(stanza.ItemNotFound), "could not create the node"},
		{"closed", pubsub.StepFetch, reply(stanza.Forbidden), "pubsub#access_model"},
		{"garbage", pubsub.StepFetch, pubsub.ErrPayload, "element serverinfo"},
		{"garbage pushed", crawl.StepEvent, pubsub.ErrPayload, "element serverinfo"},
		{"huge", pubsub.StepFetch, fmt.Errorf("%w: %w", pubsub.ErrPayload, xep.ErrLimit), "fewer of them"},
		{"no pubsub", pubsub.StepFetch, reply(stanza.ServiceUnavailable), `Component "data.me.example" "pubsub"`},
		{"unknown", pubsub.StepFetch, errors.New("something"), ""},
		{"foreign", crawl.StepBind, crawl.ErrForeign, "run it for me.example"},
		{"unknown step", "other", errors.New("something"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := here.Step(pubsub.Step{Name: c.step, Status: pubsub.StatusFailed, Err: c.err})
			if c.want == "" {
				require.Empty(t, got)
			}
			require.Contains(t, got, c.want)
			require.NotContains(t, got, "ejabberd:")
			require.Empty(t, here.Step(pubsub.Step{Name: c.step, Err: c.err}))
		})
	}
}

func TestOf(t *testing.T) {
	r := &crawl.Result{Domain: here.Domain}
	require.Equal(t, Where{Domain: here.Domain}, Of(r))
	r.Location = &pubsub.Location{Service: jid.MustParse("data.me.example"), Node: here.Node, Identity: here.Server}
	require.Equal(t, here, Of(r))
	r.Location = &pubsub.Location{Identity: here.Server}
	require.Empty(t, Of(r).Service)
}
