package conformance_test

import (
	"slices"
	"testing"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// failed are the IDs of the counted cases that failed, sorted.
func failed(r *conformance.Report) []string {
	ids := []string{}
	for _, one := range r.Results {
		if one.Status == conformance.Fail && one.Counted() {
			ids = append(ids, one.ID)
		}
	}
	slices.Sort(ids)
	return ids
}
