package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/cli/clitest"
	"github.com/xmppgraph/xmppgraph/internal/leak"
)

func TestMain(m *testing.M) {
	testscript.Main(leak.Checked{Runner: m}, map[string]func(){"conformance": main})
}

func TestScripts(t *testing.T) {
	publisher, err := filepath.Abs(filepath.Join("testdata", "publisher.py"))
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir:   filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error { e.Setenv("PUBLISHER", publisher); return nil },
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"status": clitest.Status},
	})
}

// A consumer, here our own crawler, finds what the network's description says of each domain that misbehaves in nothing.
func TestNetwork(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"network", "-zoo", "-domains", "10"}, w, os.Stderr) }()
	line, err := bufio.NewReader(r).ReadBytes('\n')
	require.NoError(t, err)
	var d description
	require.NoError(t, json.Unmarshal(line, &d))
	require.Greater(t, len(d.Domains), 50)
	s, err := connect.Component(t.Context(), connect.Config{JID: jid.MustParse(d.Component), Server: d.ComponentAddr, Secret: d.Secret})
	require.NoError(t, err)
	for _, one := range d.Domains {
		if one.Fault != "" || one.Kind == "ProsodyOld" || len(one.Links) == 0 || one.What == "NodeWithoutFeature" {
			continue
		}
		v := crawl.Visit(t.Context(), s, one.Name)
		require.NotNil(t, v.Report, "%s: %s", one.Name, v.Outcome)
		require.Len(t, v.Report.Peers, len(one.Links), one.Name)
		require.Equal(t, one.Unnamed, v.Report.Unnamed, one.Name)
	}
	require.NoError(t, s.Close())
	cancel()
	require.Equal(t, exitConforms, <-ended)
}
