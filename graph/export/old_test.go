package export_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/xep"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// small is a network with an IDN, an unnamed peer and a lone domain.
func small() *graph.Snapshot {
	g := graph.New(graph.Options{Now: func() time.Time { return start }})
	until := start.Add(time.Hour)
	g.Apply(graph.Report{
		Domain: xep.MustName("bücher.example"), Until: until, Unnamed: 2,
		Peers: []graph.Peer{{Name: xep.MustName("denmark.lit"), Until: until}, {Name: xep.MustName("secret.example")}},
	})
	g.Apply(graph.Report{Domain: xep.MustName("alone.example"), Until: until})
	return g.Snapshot()
}

func TestOldSite(t *testing.T) {
	for name, test := range map[string]struct {
		format *export.Format
		want   string
	}{
		"data": {export.OldSite, `{"nodes":[{"id":"alone.example","label":"alone.example"},{"id":"denmark.lit","label":"denmark.lit"},` +
			`{"id":"xn--bcher-kva.example","label":"bücher.example"},{"id":"?1"},{"id":"?2"},{"id":"?3"}],` +
			`"edges":[{"from":"denmark.lit","to":"xn--bcher-kva.example"},{"from":"xn--bcher-kva.example","to":"?1"},` +
			`{"from":"xn--bcher-kva.example","to":"?2"},{"from":"xn--bcher-kva.example","to":"?3"}]}` + "\n"},
		"data3d": {export.OldSite3D, `{"nodes":[{"id":"alone.example","label":"alone.example"},{"id":"denmark.lit","label":"denmark.lit"},` +
			`{"id":"xn--bcher-kva.example","label":"bücher.example"},{"id":"?1"},{"id":"?2"},{"id":"?3"}],` +
			`"links":[{"source":"denmark.lit","target":"xn--bcher-kva.example"},{"source":"xn--bcher-kva.example","target":"?1"},` +
			`{"source":"xn--bcher-kva.example","target":"?2"},{"source":"xn--bcher-kva.example","target":"?3"}]}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, test.format.Write(&b, small()))
			require.Equal(t, test.want, b.String())
		})
	}
}
