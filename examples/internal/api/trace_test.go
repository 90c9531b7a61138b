package api

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/pubsub"
)

func TestReason(t *testing.T) {
	for name, c := range map[string]struct {
		trace pubsub.Trace
		want  string
	}{
		"opts in":     {pubsub.Trace{{Name: pubsub.StepDomainInfo}, {Name: pubsub.StepOptIn}}, "advertised"},
		"does not":    {pubsub.Trace{{Name: pubsub.StepDomainInfo}, {Name: pubsub.StepOptIn, Status: pubsub.StatusFailed}}, "listed"},
		"no answer":   {pubsub.Trace{{Name: pubsub.StepDomainInfo, Status: pubsub.StatusFailed}}, ""},
		"not visited": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, reason(crawl.Account{Trace: c.trace}))
		})
	}
}
