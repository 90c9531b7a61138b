package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/examples/internal/cli/clitest"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) {
	testscript.Main(leak.Checked{Runner: m}, map[string]func(){"bot": main})
}

// The people and the room of a script are on the component's domain.
const (
	person = "alice@" + testserver.Component + "/phone"
	room   = "room@" + testserver.Component
)

// scene is what a script talks to the bot with.
type scene struct {
	srv    *testserver.Server
	people *connect.Session
	api    *httptest.Server
	// said are the bodies of the bot's messages, and joins the addresses at which it asks to be let into a room.
	said, joins chan string
}

type sceneKey struct{}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			s, err := newScene(e.WorkDir)
			if err != nil {
				return err
			}
			e.Defer(s.close)
			e.Values[sceneKey{}] = s
			e.Setenv("SERVER", s.srv.ClientAddr())
			e.Setenv("API", s.api.URL)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"admit": cmdAdmit, "say": cmdSay, "shout": cmdShout, "hear": cmdHear, "until": cmdUntil, "status": clitest.Status,
		},
	})
}

func newScene(dir string) (*scene, error) {
	s := &scene{
		srv: testserver.New(testserver.Config{Seed: 1}), api: httptest.NewServer(api()),
		said: make(chan string, 100), joins: make(chan string, 100),
	}
	s.srv.AddDomain(testserver.Domain{Name: "a.test", Advertise: true, Report: testserver.Report{
		Peers: []testserver.Peer{{Name: "b.test", Directions: testserver.Bidi}, {Name: "shy.test", Directions: testserver.Bidi}}}})
	s.srv.AddDomain(testserver.Domain{Name: "b.test", Advertise: true})
	s.srv.AddDomain(testserver.Domain{Name: "shy.test"})
	for name, b := range map[string][]byte{
		"ca.pem":   s.srv.CertPEM(),
		"password": []byte(testserver.Password + "\n"), "wrong": []byte("wrong"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return nil, err
		}
	}
	var err error
	s.people, err = connect.Component(context.Background(), connect.Config{
		JID: jid.MustParse(testserver.Component), Server: s.srv.ComponentAddr(), Secret: testserver.Secret,
		Handler: xmpp.HandlerFunc(s.listen), Logger: slog.New(slog.DiscardHandler),
	})
	return s, err
}

func (s *scene) close() {
	_ = s.people.Close()
	_ = s.srv.Close()
	s.api.Close()
}

// api is an aggregator's, with a network of two domains.
func api() http.Handler {
	g := graph.New(graph.Options{})
	until := time.Now().Add(time.Hour)
	g.Apply(graph.Report{Domain: xep.MustName("far.example"), Until: until, Peers: []graph.Peer{{Name: xep.MustName("away.example"), Until: until}}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/graph":
			_ = export.Compact.Write(w, g.Snapshot())
		case "/api/v1/domains":
			fmt.Fprint(w, `{"domains":[]}`)
		default:
			http.NotFound(w, r)
		}
	})
}

// listen takes what the bot sends.
func (s *scene) listen(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	var got struct {
		To   string `xml:"to,attr"`
		Type string `xml:"type,attr"`
		Body string `xml:"body"`
	}
	if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), t)).Decode(&got); err != nil {
		return err
	}
	switch {
	case start.Name.Local == "message":
		s.said <- got.Body
	case start.Name.Local == "presence" && got.Type == "":
		s.joins <- got.To
	}
	return nil
}

func (s *scene) send(ts *testscript.TestScript, raw string) {
	ts.Check(s.people.Send(context.Background(), xml.NewDecoder(strings.NewReader(raw))))
}

func sceneOf(ts *testscript.TestScript) *scene { return ts.Value(sceneKey{}).(*scene) }

func take(ts *testscript.TestScript, c <-chan string) string {
	select {
	case s := <-c:
		return s
	case <-time.After(20 * time.Second):
		ts.Fatalf("nothing came from the bot")
	}
	return ""
}

// cmdAdmit is "admit": the bot asks to be let into the room, and is.
func cmdAdmit(ts *testscript.TestScript, _ bool, _ []string) {
	s := sceneOf(ts)
	at := take(ts, s.joins)
	ts.Setenv("AT", at)
	s.send(ts, "<presence from='"+at+"' to='"+testserver.Account+"/bot'><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>")
}

// cmdSay is "say WORDS…": a person says something to the bot alone.
func cmdSay(ts *testscript.TestScript, _ bool, args []string) {
	sceneOf(ts).send(ts, "<message type='chat' from='"+person+"' to='"+testserver.Account+"/bot'><body>"+strings.Join(args, " ")+"</body></message>")
}

// cmdShout is "shout WORDS…": a person says something in the room.
func cmdShout(ts *testscript.TestScript, _ bool, args []string) {
	sceneOf(ts).send(ts, "<message type='groupchat' from='"+room+"/Alice' to='"+testserver.Account+"/bot'><body>"+strings.Join(args, " ")+"</body></message>")
}

// cmdHear is "hear REGEXP": the next thing that the bot says.
func cmdHear(ts *testscript.TestScript, _ bool, args []string) {
	got := take(ts, sceneOf(ts).said)
	if !regexp.MustCompile(args[0]).MatchString(got) {
		ts.Fatalf("the bot says %q, which is not %q", got, args[0])
	}
}

// cmdUntil is "until REGEXP": some time the bot says that.
func cmdUntil(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	for !want.MatchString(take(ts, sceneOf(ts).said)) {
	}
}
