package conformancetest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/report"
)

func TestMain(m *testing.M) { leak.Main(m) }

// The suite runs on our own publisher the way that anybody would run it on theirs.
func TestReporter(t *testing.T) {
	Publisher(t, conformance.Subject{Run: func(ctx context.Context, e conformance.Environment) error {
		r := &report.Reporter{
			Session: e.Session, Domain: e.Domain, Service: e.Service, Node: e.Node, Source: e.Connections,
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		}
		return r.Run(ctx)
	}})
}

func TestDomain(t *testing.T) {
	n := peer.New("pubsub.shakespeare.lit")
	n.Set("shakespeare.lit", peer.Advertises)
	r := &report.Reporter{
		Session: n.Session(jid.MustParse("shakespeare.lit")), Domain: "shakespeare.lit", Service: jid.MustParse(n.Service()),
		Source: new(report.Connections), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	_, err := r.Once(t.Context())
	require.NoError(t, err)
	n.Override = func(to, payload string) (string, bool) {
		return fmt.Sprintf("<query xmlns='http://jabber.org/protocol/disco#info'><feature var='%s'/>%s</query>",
			r.Features()[0], r.Form().AppendXML(nil)), to == "shakespeare.lit"
	}
	Run(t, n.Session(jid.MustParse("me.test")), "shakespeare.lit")
}

func TestPayload(t *testing.T) {
	Payload(t, []byte("<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'/></serverinfo>"), "shakespeare.lit")
}

// recorder stands for a test that must not fail for real.
type recorder struct{ errors, skips, logs []string }

func (*recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Skip(args ...any) { r.skips = append(r.skips, fmt.Sprint(args...)) }

func (r *recorder) Log(args ...any) { r.logs = append(r.logs, fmt.Sprint(args...)) }

func TestTell(t *testing.T) {
	c, _ := conformance.Lookup("payload-direction")
	rec := new(recorder)
	for _, s := range []conformance.Status{conformance.Pass, conformance.Fail, conformance.Skip, conformance.NotApplicable} {
		tell(rec, conformance.Result{Case: c, Status: s, Message: "found " + string(s), Log: []conformance.Stanza{{With: "a.test", XML: "<query/>"}}})
	}
	require.Equal(t, []string{"found pass"}, rec.logs)
	require.Equal(t, []string{"found skip", "found n/a"}, rec.skips)
	require.Len(t, rec.errors, 1)
	for _, part := range []string{"MUST (§4, §9)", "one of incoming, outgoing and bidi", "found fail", "← a.test <query/>"} {
		require.Contains(t, rec.errors[0], part)
	}
}
