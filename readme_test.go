package xmppgraph_test

import (
	"context"
	"fmt"
	"go/format"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/conformance/conformancetest"
	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The functions below hold the Go of the README, so that it compiles; TestREADME holds the two together.

func payload(b []byte) error {
	info, err := xep.Unmarshal(b) // lenient: what real servers send
	if err != nil {
		return err
	}
	for _, d := range info.Validate() { // strict: every deviation, with section and path
		fmt.Println(d)
	}
	b, err = xep.Marshal(info.Canonical()) // what the XEP allows, and nothing else
	fmt.Println(string(b))
	return err
}

func server(ctx context.Context, session report.Session) (*mux.ServeMux, error) {
	conns := new(report.Connections) // fed by the server's own s2s code
	closed := conns.Opened("shakespeare.lit", "denmark.lit", xep.Outgoing)
	defer closed()

	r := &report.Reporter{
		Session: session, // *xmpp.Session, *connect.Session, or the server's own router
		Domain:  "shakespeare.lit",
		Service: jid.MustParse("pubsub.shakespeare.lit"),
		Source:  conns,
	}
	m := mux.New(stanza.NSServer, r.Handle()) // the domain now advertises the feature and its node
	return m, r.Run(ctx)                      // publishes until ctx ends, then withdraws
}

func reader(ctx context.Context, secret string) error {
	s, err := connect.Component(ctx, connect.Config{
		JID: jid.MustParse("crawler.example.org"), Server: "localhost:5347", Secret: secret,
	})
	if err != nil {
		return err // says what to fix
	}
	defer s.Close()
	c := &crawl.Crawler{Session: s, Contact: "mailto:ops@example.org", Seeds: []string{"jabber.fr"}, Once: true}
	g := graph.New(graph.Options{})
	for ev := range c.Run(ctx) { // never stalls the session, however slow the loop
		ev.Apply(g)
	}
	return export.GEXF.Write(os.Stdout, g.Snapshot().View(graph.Mutual))
}

func TestServerInfo(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "shakespeare.lit", Advertise: true, Report: testserver.Report{Unnamed: 1}})
	session, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse(testserver.Component), Server: srv.ComponentAddr(), Secret: testserver.Secret,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	conformancetest.Run(t, session, "shakespeare.lit") // one subtest for each MUST and SHOULD
}

var _ = []any{payload, server, reader}

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// checkBlock holds that a block of Go is formatted and that a source has each of its lines.
func checkBlock(t *testing.T, name, block, source string) {
	t.Helper()
	formatted, err := format.Source([]byte(block))
	require.NoError(t, err, "%s has a block that is not Go:\n%s", name, block)
	require.Equal(t, string(formatted), block, "%s has a block that is not formatted", name)
	for line := range strings.Lines(block) {
		require.Contains(t, source, strings.TrimSpace(line), "%s has a line that no test compiles", name)
	}
}

// The functions above are the README's Go, all of it and as it stands there.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	blocks := goBlock.FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		checkBlock(t, "README.md", block[1], string(source))
	}
}
