//go:build integration

package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The whole house on real servers: reporters at Prosody and ejabberd publish who is connected, and an aggregator that
// knows only one of them finds the other and draws both.
func TestFederation(t *testing.T) {
	lab := integration.Start(t, integration.Options{})
	lab.Prosody.Configure(t, func(c *integration.ProsodyConfig) {
		c.Admins = append(c.Admins, "reporter.a.test")
		c.PubSubAdmins = append(c.PubSubAdmins, "reporter.a.test")
	})
	lab.Prosody.Restart(t) // Prosody reads who its administrators are only at its start
	lab.Prosody.Advertise(t, "a.test", true)
	lab.Ejabberd.Advertise(t, "b.test", true)

	bin := build(t, "reporter", "aggregator")
	secret, password := secretFile(t, integration.Secret), secretFile(t, integration.Password)

	// c.test federates with a.test and opts in to nothing.
	quiet := component(t, lab.Quiet.Component(), "comp.c.test")
	eventually(t, "c.test reaches a.test", func() error {
		return reach(quiet, "a.test")
	})
	account := client(t, lab, "alice@a.test")
	eventually(t, "a.test reaches b.test and c.test", func() error {
		if err := reach(account, "c.test"); err != nil {
			return err
		}
		return reach(account, "b.test")
	})

	start(t, filepath.Join(bin, "reporter"), "-component", "reporter.a.test", "-secret-file", secret,
		"-server", lab.Prosody.Component(), "-source", "prosody", "-interval", "1s", "-verdict-ttl", "3s")
	start(t, filepath.Join(bin, "reporter"), "-jid", "admin@b.test", "-password-file", password,
		"-server", lab.Ejabberd.C2S(), "-tls-ca", lab.CAFile(), "-source", "ejabberd", "-interval", "1s", "-verdict-ttl", "3s")
	url := start(t, filepath.Join(bin, "aggregator"), "-component", "crawler.b.test", "-secret-file", secret,
		"-server", lab.Ejabberd.Component(), "-contact", "mailto:ops@b.test", "-seed", "a.test",
		"-interval", "2s", "-verdict-ttl", "5s", "-spacing", "50ms", "-listen", "localhost:0").await(t, "http://")

	eventually(t, "both are named with one link", func() error {
		d, err := data(url)
		switch {
		case err != nil:
			return err
		case !slices.Equal(d.named(), []string{"a.test", "b.test"}):
			return fmt.Errorf("named: %v", d.named())
		case !d.linked("a.test", "b.test"):
			return fmt.Errorf("no link: %v", d.Edges)
		case d.unnamed("a.test") == 0:
			return fmt.Errorf("nobody unnamed at a.test: %v", d.Edges)
		}
		return nil
	})
	// One report is enough for the picture above: the other one may not be there yet.
	for service, peer := range map[string]string{"pubsub.a.test": "b.test", "pubsub.b.test": "a.test"} {
		eventually(t, service+" names "+peer, func() error {
			item, err := pubsub.Fetch(within(t), quiet, jid.MustParse(service), xep.DefaultNode)
			if err != nil {
				return err
			}
			require.Empty(t, item.Info.Validate(), "what %s serves", service)
			require.NotContains(t, names(item.Info), "c.test")
			if !slices.Contains(names(item.Info), peer) {
				return fmt.Errorf("not named yet: %s", item.Raw)
			}
			return nil
		})
	}

	lab.Prosody.Advertise(t, "a.test", false)
	eventually(t, "a.test is gone from b.test's report", func() error {
		item, err := pubsub.Fetch(within(t), quiet, jid.MustParse("pubsub.b.test"), xep.DefaultNode)
		if err != nil {
			return err
		}
		if slices.Contains(names(item.Info), "a.test") {
			return fmt.Errorf("still named: %s", item.Raw)
		}
		return nil
	})
	eventually(t, "a.test is gone from the network", func() error {
		d, err := data(url)
		if err == nil && slices.Contains(d.named(), "a.test") {
			err = fmt.Errorf("named: %v", d.named())
		}
		return err
	})
	page, err := get(url)
	require.NoError(t, err)
	require.NotContains(t, page, "a.test", "a name without a verdict is on the page")
}

func build(t *testing.T, programs ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, p := range programs {
		out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "github.com/xmppgraph/xmppgraph/examples/"+p).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return dir
}

func secretFile(t *testing.T, secret string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(name, []byte(secret+"\n"), 0o600))
	return name
}

// program is a running program whose output is kept.
type program struct {
	name string
	out  *os.File
}

// start runs a program until the test ends, and asks it to stop as an operator would.
func start(t *testing.T, path string, args ...string) *program {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(path)+".log"))
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	p := &program{name: filepath.Base(path), out: out}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		stuck := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		stuck.Stop()
		if t.Failed() || err != nil {
			t.Errorf("%s ended: %v\n%s", p.name, err, p.read())
		}
		_ = out.Close()
	})
	return p
}

func (p *program) read() string {
	b, _ := os.ReadFile(p.out.Name())
	return string(b)
}

// await returns the first line of output that starts like that.
func (p *program) await(t *testing.T, prefix string) (line string) {
	t.Helper()
	eventually(t, p.name+" prints "+prefix, func() error {
		for line = range strings.Lines(p.read()) {
			if strings.HasPrefix(line, prefix) && strings.HasSuffix(line, "\n") {
				line = strings.TrimSpace(line)
				return nil
			}
		}
		return fmt.Errorf("it printed %q", p.read())
	})
	return line
}

// eventually polls other processes, which have no clock of ours to wait on.
func eventually(t *testing.T, what string, ok func() error) {
	t.Helper()
	const patience, pause = 90 * time.Second, 200 * time.Millisecond
	deadline := time.Now().Add(patience)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(t, err, what)
		}
		time.Sleep(pause)
	}
}

func component(t *testing.T, server, name string) *connect.Session {
	t.Helper()
	s, err := connect.Component(within(t), connect.Config{JID: jid.MustParse(name), Server: server, Secret: integration.Secret})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func client(t *testing.T, lab *integration.Lab, account string) *connect.Session {
	t.Helper()
	s, err := connect.Client(within(t), connect.Config{
		JID: jid.MustParse(account), Server: lab.Prosody.C2S(), Password: integration.Password, TLS: &tls.Config{RootCAs: lab.CA()},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// document is the old site's data.json.
type document struct {
	Nodes []struct{ ID, Label string }
	Edges []struct{ From, To string }
}

func data(url string) (d document, err error) {
	body, err := get(strings.TrimSuffix(url, "/") + "/data.json")
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal([]byte(body), &d)
}

func get(url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", url, resp.Status)
	}
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// named returns the names in the document; an unnamed node has no label.
func (d document) named() (names []string) {
	for _, n := range d.Nodes {
		if n.Label != "" {
			names = append(names, n.Label)
		}
	}
	slices.Sort(names)
	return names
}

func (d document) linked(a, b string) bool {
	n := 0
	for _, e := range d.Edges {
		if e.From == a && e.To == b || e.From == b && e.To == a {
			n++
		}
	}
	return n == 1
}

// unnamed counts the unnamed nodes at a domain.
func (d document) unnamed(at string) (n int) {
	named := d.named()
	for _, e := range d.Edges {
		if e.From == at && !slices.Contains(named, e.To) || e.To == at && !slices.Contains(named, e.From) {
			n++
		}
	}
	return n
}

// reach makes the session's server open a connection to a domain.
func reach(s *connect.Session, domain string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := disco.GetInfo(ctx, s, jid.MustParse(domain), "")
	return err
}

// names returns the remote domains that a payload names.
func names(info *xep.ServerInfo) (names []string) {
	for _, d := range info.Domains {
		if d.Federation == nil {
			continue
		}
		for _, r := range d.Federation.RemoteDomains {
			if r.Name != "" {
				names = append(names, r.Name)
			}
		}
	}
	return names
}
