package api

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Anybody may read the metrics, so that they tell of nobody: no domain, named or not, and no address of a client.
func TestMetricsTellOfNobody(t *testing.T) {
	w := full(t)
	w.get(base + "/domains/a.test")
	w.get(base + "/domains/shy.test")
	w.get("/badge/a.test.svg")
	page := text(t, w.get("/metrics"))
	require.Contains(t, page, "xmpp_aggregator_domains 3")
	require.Contains(t, page, `outcome="report"`)
	for _, secret := range []string{".test", "192.0.2.", "shy"} {
		require.NotContains(t, page, secret)
	}
}
