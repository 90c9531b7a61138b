package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"flag"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// cmdGone is "gone URL TEXT": it asks until there is an answer without the text.
func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: gone URL TEXT")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	body := await(ctx, args[0], func(body string) bool { return !strings.Contains(body, args[1]) })
	if ctx.Err() != nil {
		ts.Fatalf("%s does not answer without %q, but: %.500s", args[0], args[1], body)
	}
}

// The help names every option, and every option that it names exists.
func TestUsageIsComplete(t *testing.T) {
	c, fs := new(config), flag.NewFlagSet("", flag.ContinueOnError)
	c.flags(fs)
	have := make(map[string]bool)
	fs.VisitAll(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "demo-") {
			have[f.Name] = true
		}
	})
	told := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^    -([a-z-]+)`).FindAllStringSubmatch(usage, -1) {
		told[m[1]] = true
	}
	delete(told, "h")
	require.Equal(t, have, told)
	for name := range commands {
		require.Regexp(t, `(?m)^    `+name+` `, usage)
	}
	for line := range strings.Lines(usage) {
		require.LessOrEqual(t, len([]rune(strings.TrimSpace(line))), 80, line)
	}
}

// The example is a configuration that works, once the secret is in place, and its commented lines are options, too.
func TestExampleConfiguration(t *testing.T) {
	b, err := os.ReadFile("aggregator.conf")
	require.NoError(t, err)
	dir := t.TempDir()
	text := strings.NewReplacer("/etc/", dir+"/", "/var/lib/xmpp-aggregator/", dir+"/").Replace(string(b))
	file := filepath.Join(dir, "aggregator.conf")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "xmpp-aggregator.secret"), []byte("s3cret\n"), 0o600))
	c, err := parseConfig([]string{"-config", file})
	require.NoError(t, err)
	require.Equal(t, "crawler.example.org", c.component)
	require.Len(t, c.seeds, 2)
	var out bytes.Buffer
	require.Zero(t, checkConfig(t.Context(), c, &out), out.String())

	fs := flag.NewFlagSet("", flag.ContinueOnError)
	new(config).flags(fs)
	for _, m := range regexp.MustCompile(`(?m)^# ([a-z-]+) \S+$`).FindAllStringSubmatch(text, -1) {
		require.NotNil(t, fs.Lookup(m[1]), m[0])
	}
}

func TestPlan(t *testing.T) {
	c := &config{listen: "localhost:8080", component: "crawler.example.org"}
	c.role = roleWeb
	require.Equal(t, "It would serve the page at localhost:8080 from the database, and ask nobody.", c.plan())
	c.role = roleCrawl
	require.Contains(t, c.plan(), "as crawler.example.org, and leave the page to others.")
	c.role, c.url = roleAll, "https://graph.example.org"
	require.Contains(t, c.plan(), "and serve the page at https://graph.example.org.")
}

// person is somebody at a domain who writes to the crawler.
type person struct {
	*connect.Session
	inbox chan string
}

// HandleXMPP implements xmpp.Handler.
func (p *person) HandleXMPP(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	var m struct {
		Body string `xml:"body"`
	}
	err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), t)).Decode(&m)
	if m.Body != "" {
		p.inbox <- m.Body
	}
	return err
}

func (p *person) write(t *testing.T, from, text string) {
	t.Helper()
	body := xmlstream.Wrap(xmlstream.Token(xml.CharData(text)), xml.StartElement{Name: xml.Name{Local: "body"}})
	msg := stanza.Message{Type: stanza.ChatMessage, From: jid.MustParse(from), To: jid.MustParse(testserver.Component)}
	require.NoError(t, p.Send(t.Context(), msg.Wrap(body)))
}

// ask writes and returns the reply.
func (p *person) ask(t *testing.T, from, text string) string {
	t.Helper()
	p.write(t, from, text)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case text := <-p.inbox:
		return text
	case <-ctx.Done():
		t.Fatal("no reply")
		return ""
	}
}

// A domain that asks for it is gone at once, and back when it asks for that. Until then it is not asked again, and nobody learns why.
func TestOptOut(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	peer := func(n string) testserver.Report {
		return testserver.Report{Peers: []testserver.Peer{{Name: n, Directions: testserver.Bidi}}}
	}
	srv.AddDomain(testserver.Domain{Name: "a.test", Advertise: true, Report: peer("shy.me.test")})
	srv.AddDomain(testserver.Domain{Name: "shy.me.test", Advertise: true, Report: peer("a.test"),
		Contacts: map[string][]string{"admin-addresses": {"xmpp:owner@people.me.test"}}})
	owner := &person{inbox: make(chan string, 8)}
	var err error
	owner.Session, err = connect.Component(t.Context(), connect.Config{JID: jid.MustParse("people.me.test"), Secret: testserver.Secret,
		Server: srv.ComponentAddr(), Handler: owner, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = owner.Close() })

	db := filepath.Join(t.TempDir(), "aggregator.db")
	url := start(t, "-component", testserver.Component, "-secret-file", secret(t, testserver.Secret), "-server", srv.ComponentAddr(),
		"-contact", "mailto:ops@example.org", "-seed", "a.test", "-interval", "200ms", "-verdict-ttl", "3s", "-spacing", "0s", "-database", db)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	shown := func(want bool) {
		t.Helper()
		body := await(ctx, url+"data.json", func(s string) bool { return strings.Contains(s, "shy.me.test") == want })
		require.NoError(t, ctx.Err(), body)
	}
	shown(true)
	require.Contains(t, owner.ask(t, "owner@people.me.test", "exclude shy.me.test"), "shy.me.test is excluded")
	shown(false)
	// The reply to this one takes its time, on purpose.
	owner.write(t, "other@people.me.test", "include shy.me.test")
	require.Contains(t, owner.ask(t, "owner@people.me.test", "exclude shy.me.test"), "shy.me.test is excluded")
	shown(false)
	require.Contains(t, owner.ask(t, "owner@people.me.test", "include shy.me.test"), "no longer excluded")
	shown(true)

	var out bytes.Buffer
	for ctx.Err() == nil && strings.Count(out.String(), "\n") < 4 {
		// What is refused is noted beside the rest.
		out.Reset()
		require.Zero(t, run(t.Context(), []string{"requests", "-database", db}, &out, io.Discard))
	}
	for _, want := range []string{
		`exclude  shy.me.test  owner@people.me.test  done`,
		`include  shy.me.test  other@people.me.test  refused: not entitled`,
		`include  shy.me.test  owner@people.me.test  done`,
	} {
		require.Regexp(t, `(?m)^\S+ \S+  `+want+`$`, out.String())
	}
}

// Those who are asked find out who asks, by whose rules and with which program.
func TestProfile(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	start(t, "-component", testserver.Component, "-secret-file", secret(t, testserver.Secret), "-server", srv.ComponentAddr(),
		"-contact", "mailto:ops@example.org", "-seed", "a.test", "-url", "https://graph.example.org/")
	ask := func(payload string, want ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var reply string
		for ctx.Err() == nil {
			var err error
			if reply, err = srv.Request(ctx, "get", "a.test", testserver.Component, payload); err == nil {
				break
			}
		}
		for _, w := range want {
			require.Contains(t, reply, w)
		}
	}
	ask("<query xmlns='http://jabber.org/protocol/disco#info'/>", "admin-addresses", "security-addresses", "mailto:ops@example.org",
		"x-policy-uri", "https://graph.example.org/about", "x-source-uri", projectSource, "vcard-temp")
	ask("<vCard xmlns='vcard-temp'/>", "https://graph.example.org/", `exclude`, "Policy: https://graph.example.org/about", "Source: "+projectSource)
}
