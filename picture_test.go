package xmppgraph_test

import (
	"bytes"
	"flag"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

var update = flag.Bool("update", false, "write docs/network.svg anew")

// invented returns the snapshot behind the README's picture: a network of the real one's shape with everybody's consent.
func invented() *graph.Snapshot {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	until := at.Add(time.Hour)
	g := graph.New(graph.Options{Now: func() time.Time { return at }})
	for _, m := range testserver.Network(1, 112).Domains {
		name := xep.MustName(m.Name)
		g.Consent(name, until)
		if len(m.Peers) == 0 {
			continue
		}
		r := graph.Report{Domain: name, At: at, Until: until, Unnamed: m.Unnamed}
		for _, p := range m.Peers {
			r.Peers = append(r.Peers, graph.Peer{Name: xep.MustName(p.Name)})
		}
		g.Apply(r)
	}
	return g.Snapshot()
}

// The picture in the README is what the code draws. To renew it: go test . -run TestPicture -update
func TestPicture(t *testing.T) {
	const file = "docs/network.svg"
	var b bytes.Buffer
	require.NoError(t, export.SVG.Write(&b, invented()))
	if *update {
		require.NoError(t, os.WriteFile(file, b.Bytes(), 0o644))
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("other processors round the forces of the layout differently")
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "the picture changed: look at it, then run this test with -update")
}
