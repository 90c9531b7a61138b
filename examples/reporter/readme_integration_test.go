//go:build integration

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The sections of the README are walked through as an operator would, on servers with Debian's own configuration.
// Every block of every section is used, and a command that the walk does not know fails the test.

const theirDomain, theirSecretFile = "example.org", "/etc/xmpp-reporter.secret"

// block is one fenced block of the README.
type block struct{ lang, text string }

// section returns the blocks below a heading, with the lab's names in place of the examples'.
func section(t *testing.T, heading, domain, secretFile string) []block {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(readme), "\n## "+heading)
	require.True(t, ok, "no section %q", heading)
	rest, _, _ = strings.Cut(rest, "\n## ")
	rest = strings.NewReplacer(theirDomain, domain, theirSecretFile, secretFile).Replace(rest)
	var blocks []block
	for _, m := range regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```").FindAllStringSubmatch(rest, -1) {
		blocks = append(blocks, block{m[1], m[2]})
	}
	require.NotEmpty(t, blocks)
	return blocks
}

// operator follows a section.
type operator struct {
	lab *integration.Lab
	// lua and yaml apply a block of configuration.
	lua, yaml func(t *testing.T, text string)
	// server is what stands for the address that the reporter would find by itself.
	server string
	// stop ends the reporter that the section leaves running.
	stop func()
}

func (o *operator) follow(t *testing.T, blocks []block) {
	t.Helper()
	for _, b := range blocks {
		switch b.lang {
		case "lua":
			o.lua(t, b.text)
		case "yaml":
			o.yaml(t, b.text)
		case "sh":
			for line := range strings.Lines(b.text) {
				o.command(t, strings.TrimSpace(line))
			}
		case "json":
			cs, err := readLines(strings.NewReader(b.text))
			require.NoError(t, err)
			require.NotEmpty(t, cs)
		default:
			t.Fatalf("nobody knows what to do with %q", b.lang)
		}
	}
}

func (o *operator) command(t *testing.T, line string) {
	t.Helper()
	if rest, ok := strings.CutPrefix(line, "echo "); ok {
		text, file, ok := strings.Cut(rest, " | sudo tee ")
		require.True(t, ok, line)
		require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
		return
	}
	words := strings.Fields(strings.TrimPrefix(strings.TrimPrefix(line, "sudo "), "-u prosody "))
	switch what := strings.Join(words[:min(2, len(words))], " "); {
	case what == "apt install":
		if _, err := os.Stat("/usr/lib/prosody/modules/mod_delegation/mod_delegation.lua"); err != nil {
			// In CI a skip would look like success.
			require.NotEqual(t, "true", os.Getenv("CI"), "prosody-modules is not installed")
			t.Skip("prosody-modules is not installed")
		}
	case what == "install -m":
		require.NoError(t, os.WriteFile(words[len(words)-1], nil, 0o600))
	case what == "systemctl restart":
		o.lab.Prosody.Restart(t)
	case words[0] == "prosodyctl":
		o.lab.Prosody.Ctl(t, words[1:]...)
	case words[0] == "cp":
		content, err := os.ReadFile(words[1])
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(o.lab.Prosody.Dir(), "modules", filepath.Base(words[1])), content, 0o644))
	case words[0] == "ejabberdctl":
		o.lab.Ejabberd.Ctl(t, words[1:]...)
		accepts(t, o.server, true)
	case words[0] == "reporter":
		o.reporter(t, words[1:])
	default:
		t.Fatalf("the walk does not know %q", line)
	}
}

// accepts waits until somebody listens at an address, or nobody does. After a change of ejabberd's configuration that takes a moment.
func accepts(t *testing.T, address string, want bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return (err == nil) == want
	}, time.Minute, 100*time.Millisecond)
}

// reporter runs the program: with -check it must find nothing to do, and otherwise it goes on beside the test.
func (o *operator) reporter(t *testing.T, args []string) {
	t.Helper()
	full := []string{"-server", o.server, "-tls-ca", o.lab.CAFile()}
	for _, a := range args {
		if a == "prosody-socket" {
			a += ":" + o.lab.Prosody.AdminSocket()
		}
		full = append(full, a)
	}
	if args[len(args)-1] == "-check" {
		out, _ := runProgram(t, 0, full...)
		t.Logf("%s", out)
		require.NotContains(t, out, "✖")
		return
	}
	o.stop = background(t, append(full, "-interval", "1s")...)
}

// background runs the program until the returned function is called, or the test ends.
func background(t *testing.T, args ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() { done <- run(ctx, args, os.Stdout, os.Stderr) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if status := <-done; status != 0 {
			t.Errorf("reporter %q ended with %d", args, status)
		}
	}
	t.Cleanup(stop)
	return stop
}

// published checks what somebody on another server finds: an open node of one item, which names who opts in, and nobody else.
func published(t *testing.T, as *connect.Session, domain string, named []string, never ...string) {
	t.Helper()
	var item *pubsub.Item
	var at *pubsub.Location
	eventually(t, domain+" names "+strings.Join(named, ", "), func() error {
		loc, err := pubsub.Locate(t.Context(), as, xep.MustName(domain))
		if err != nil {
			return err
		}
		if at = loc; !loc.Leaf {
			return fmt.Errorf("%s is no leaf", loc.Node)
		}
		if item, err = pubsub.Fetch(t.Context(), as, loc.Service, loc.Node); err != nil {
			return err
		}
		for _, n := range named {
			if !strings.Contains(string(item.Raw), "'"+n+"'") && !strings.Contains(string(item.Raw), `"`+n+`"`) {
				return fmt.Errorf("not named: %s", item.Raw)
			}
		}
		return nil
	})
	require.Equal(t, xep.ItemCurrent, item.ID)
	items, err := disco.GetItems(t.Context(), as, at.Service, at.Node)
	require.NoError(t, err)
	require.Len(t, items, 1, "items on the node")
	for _, d := range item.Info.Validate() {
		require.Equal(t, xep.Schema, d.Level, "%s: %s", d, item.Raw)
	}
	for _, n := range never {
		require.NotContains(t, string(item.Raw), n)
	}
	t.Logf("%s", item.Raw)
}

// gone checks that the item was withdrawn.
func gone(t *testing.T, as *connect.Session, service string) {
	t.Helper()
	_, err := pubsub.Fetch(t.Context(), as, jid.MustParse(service), xep.DefaultNode)
	require.ErrorIs(t, err, pubsub.ErrNoItem)
}

// stockProsody gives the lab's Prosody the modules and administrators of Debian's configuration file, nothing but its virtual
// host, and a folder conf.d like Debian's.
func stockProsody(t *testing.T, lab *integration.Lab) (conf func(t *testing.T, text string)) {
	t.Helper()
	file := filepath.Join(lab.Prosody.Dir(), "prosody.cfg.lua")
	ours, err := os.ReadFile(file)
	require.NoError(t, err)
	stock, err := os.ReadFile("/etc/prosody/prosody.cfg.lua")
	require.NoError(t, err)
	global, _, ok := strings.Cut(string(ours), "\nVirtualHost ")
	require.True(t, ok)
	for _, option := range []string{`admins = \{.*?\}`, `(?s)modules_enabled = \{.*?\n\}`} {
		re := regexp.MustCompile(`(?m)^` + option)
		theirs := re.FindString(string(stock))
		require.NotEmpty(t, theirs, option)
		require.NotEmpty(t, re.FindString(global), option)
		global = re.ReplaceAllLiteralString(global, theirs)
	}
	require.NoError(t, os.Mkdir(filepath.Join(lab.Prosody.Dir(), "conf.d"), 0o755))
	// The lab waits for the port of components, which Prosody opens for a component only.
	global += "\nVirtualHost \"a.test\"\nComponent \"unused.a.test\"\n\tcomponent_secret = \"unused\"\nInclude \"conf.d/*.cfg.lua\"\n"
	require.NoError(t, os.WriteFile(file, []byte(global), 0o644))
	return func(t *testing.T, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(lab.Prosody.Dir(), "conf.d", "reporter.cfg.lua"), []byte(text), 0o644))
	}
}

func TestReadmeProsody(t *testing.T) {
	lab := integration.Start(t, integration.Options{Stock: true})
	lab.Ejabberd.Advertise(t, "b.test", true)
	o := &operator{lab: lab, lua: stockProsody(t, lab), server: lab.Prosody.Component()}
	o.follow(t, section(t, "Prosody (Debian", "a.test", secretFile(t, "")))
	federate(t, lab)
	b := other(t, "comp.b.test", lab.Ejabberd.Component())
	published(t, b, "a.test", []string{"b.test"}, "c.test", "reporter", "pubsub")
	o.stop()
	gone(t, b, "pubsub.a.test")

	// The number of active users comes from modules that the section on it names.
	users := section(t, "Users and software", "a.test", "")
	o.lua(t, users[0].text+strings.ReplaceAll(components(t), theirDomain, "a.test"))
	lab.Prosody.Restart(t)
	federate(t, lab)
	args := []string{"-component", "reporter.a.test", "-secret-file", secretFile(t, "s3cret"), "-server", lab.Prosody.Component(),
		"-source", "prosody-socket:" + lab.Prosody.AdminSocket(), "-users", "prosody", "-software"}
	eventually(t, "Prosody has counted", func() error {
		out, errs := runProgram(t, 0, append(args, "-dry-run")...)
		if !strings.Contains(out, "<active>1</active>") || !strings.Contains(out, "<name>Prosody</name>") {
			return fmt.Errorf("%s%s", out, errs)
		}
		return nil
	})
}

// components is the part of the section on Prosody that is not about the virtual host.
func components(t *testing.T) string {
	t.Helper()
	for _, b := range section(t, "Prosody (Debian", theirDomain, "") {
		if b.lang == "lua" {
			_, after, ok := strings.Cut(b.text, "\nComponent ")
			require.True(t, ok)
			return "    delegations = { [\"urn:xmpp:serverinfo:0\"] = { jid = \"reporter." + theirDomain + "\" } }\nComponent " + after
		}
	}
	t.Fatal("no block")
	return ""
}

func TestReadmeProsodyAccount(t *testing.T) {
	lab := integration.Start(t, integration.Options{Stock: true})
	lab.Ejabberd.Advertise(t, "b.test", true)
	o := &operator{lab: lab, lua: stockProsody(t, lab), server: lab.Prosody.C2S()}
	o.follow(t, section(t, "Prosody, from an account", "a.test", secretFile(t, "")))
	federate(t, lab)
	b := other(t, "comp.b.test", lab.Ejabberd.Component())
	published(t, b, "a.test", []string{"b.test"}, "c.test")
	o.stop()
	gone(t, b, "pubsub.a.test")
}

// stockEjabberd gives the lab's ejabberd Debian's configuration file, of which only names and addresses are changed.
func stockEjabberd(t *testing.T, lab *integration.Lab) (conf func(t *testing.T, text string)) {
	t.Helper()
	file := filepath.Join(lab.Ejabberd.Dir(), "ejabberd.yml")
	config, ours := readYAML(t, "/etc/ejabberd/ejabberd.yml"), readYAML(t, file)
	for _, key := range []string{"hosts", "certfiles", "ca_file", "listen", "outgoing_s2s_families"} {
		require.Contains(t, ours, key)
		config[key] = ours[key]
	}
	writeYAML(t, file, config)
	return func(t *testing.T, text string) {
		var block map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(text), &block))
		// The lab's own components are in the way of the operator's.
		var listen []any
		for _, l := range config["listen"].([]any) {
			if l.(map[string]any)["module"] != "ejabberd_service" {
				listen = append(listen, l)
			}
		}
		// ejabberd closes a port after it has opened the one that takes its place, if it can, so that ours goes first.
		config["listen"] = listen
		writeYAML(t, file, config)
		lab.Ejabberd.Ctl(t, "reload_config")
		accepts(t, lab.Ejabberd.Component(), false)
		for _, l := range block["listen"].([]any) {
			l.(map[string]any)["ip"] = lab.Ejabberd.Address()
			listen = append(listen, l)
		}
		config["listen"] = listen
		for _, key := range []string{"acl", "access_rules", "modules"} {
			into := config[key].(map[string]any)
			for name, value := range block[key].(map[string]any) {
				into[name] = value
			}
			delete(block, key)
		}
		delete(block, "listen")
		require.Empty(t, block, "sections that were not used")
		writeYAML(t, file, config)
	}
}

func readYAML(t *testing.T, file string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, yaml.Unmarshal(b, &m))
	return m
}

func writeYAML(t *testing.T, file string, m map[string]any) {
	t.Helper()
	b, err := yaml.Marshal(m)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, b, 0o644))
}

func TestReadmeEjabberd(t *testing.T) {
	lab := integration.Start(t, integration.Options{Stock: true})
	lab.Prosody.Advertise(t, "a.test", true)
	conf := stockEjabberd(t, lab)
	lab.Ejabberd.Restart(t)
	federate(t, lab)
	o := &operator{lab: lab, yaml: conf, server: lab.Ejabberd.Component()}
	o.follow(t, section(t, "ejabberd (Debian", "b.test", secretFile(t, "")))
	a := other(t, "comp.a.test", lab.Prosody.Component())
	published(t, a, "b.test", []string{"a.test"}, "c.test")
	o.stop()
	gone(t, a, "pubsub.b.test")
}
