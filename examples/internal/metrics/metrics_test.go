package metrics

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrite(t *testing.T) {
	var b strings.Builder
	require.NoError(t, Write(&b,
		One("x_links", Gauge, "Links\nbetween domains.", 1112),
		Family{Name: "x_none_total", Kind: Counter, Help: "Nothing."},
		Family{Name: "x_visits_total", Kind: Counter, Help: "Visits.", Samples: []Sample{
			{Labels: []string{"outcome", "report"}, Value: 2e9},
			{Labels: []string{"outcome", "a\\\"b\n", "by", "me"}, Value: 0.5},
		}},
	))
	require.Equal(t, `# HELP x_links Links\nbetween domains.
# TYPE x_links gauge
x_links 1112
# HELP x_visits_total Visits.
# TYPE x_visits_total counter
x_visits_total{outcome="report"} 2e+09
x_visits_total{outcome="a\\\"b\n",by="me"} 0.5
`, b.String())
}
