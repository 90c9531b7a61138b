//go:build integration

package integration

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Prosody is a running Prosody.
type Prosody struct {
	server
	config ProsodyConfig
	cert   string
	key    string
}

// ProsodyConfig is the part of Prosody's configuration that tests vary.
type ProsodyConfig struct {
	// Admins are the server's administrators; at the start admin@ of each domain.
	Admins []string
	// PubSubAdmins may create pubsub nodes: stock Prosody lets nobody else.
	// At the start the administrators and all external components, unless Options.Stock.
	PubSubAdmins []string
	// Modules are loaded on every domain beside Debian's defaults; a change takes effect at the next Restart.
	Modules []string
	// NodeURI lists the domains that advertise the feature, with the value of their form's field; "" leaves the form out.
	// Prefer Advertise, which also loads or unloads the module at once.
	NodeURI map[string]string
	// Extra is Lua text at the end of the file, inside the section of the last component: reopen the section you mean.
	Extra string
	// LogLevel is "info" or "debug".
	LogLevel string
}

func (l *Lab) newProsody(name, address string, domains ...string) (*Prosody, error) {
	p := &Prosody{server: server{lab: l, domains: domains, address: address, dir: filepath.Join(l.dir, name)}}
	p.log = filepath.Join(p.dir, "run", "prosody.log")
	p.config = ProsodyConfig{LogLevel: l.opts.logLevel(), NodeURI: map[string]string{}}
	for _, d := range domains {
		p.config.Admins = append(p.config.Admins, "admin@"+d)
		if !l.opts.Stock {
			p.config.PubSubAdmins = append(p.config.PubSubAdmins, components(d)...)
		}
	}
	p.config.PubSubAdmins = append(p.config.PubSubAdmins, p.config.Admins...)
	p.proc = &process{
		name:   name,
		args:   []string{"prosody", "--config", p.configFile(), "-F"},
		dir:    p.dir,
		user:   "prosody",
		ready:  []string{p.C2S(), p.DirectTLS(), p.S2S(), p.Component()},
		output: filepath.Join(l.dir, name+".out"),
	}
	return p, p.prepare()
}

func (p *Prosody) configFile() string { return filepath.Join(p.dir, "prosody.cfg.lua") }

func (p *Prosody) prepare() error {
	if err := folders(p.dir, "run", "data", "certs", "modules"); err != nil {
		return err
	}
	var err error
	if p.cert, p.key, err = p.certify(); err != nil {
		return err
	}
	module := filepath.Join(p.dir, "modules", "mod_serverinfo_advert.lua")
	if err := render(module, "mod_serverinfo_advert.lua", nil); err != nil {
		return err
	}
	if err := p.write(); err != nil {
		return err
	}
	return give("prosody", p.dir)
}

func (p *Prosody) write() error {
	return render(p.configFile(), "prosody.cfg.lua", map[string]any{
		"Address": p.address, "CA": p.lab.CAFile(), "Cert": p.cert, "Config": p.config, "Dir": p.dir,
		"DirectPort": portDirect, "Domains": p.domains, "Hosts": p.lab.hostsFile(), "Key": p.key, "Log": p.log,
		"Nowhere": p.lab.block.addr(hostNowhere), "Secret": Secret,
	})
}

// Configure changes the configuration and has the running server reload it.
// Prosody loads no module on a reload: use Advertise, Shell or Restart for what needs one.
func (p *Prosody) Configure(t testing.TB, change func(*ProsodyConfig)) {
	t.Helper()
	change(&p.config)
	require.NoError(t, p.write())
	p.Shell(t, "config:reload()")
}

// Config is the present configuration.
func (p *Prosody) Config() ProsodyConfig { return p.config }

// Ctl runs prosodyctl and returns what it prints; it fails the test when the command fails.
func (p *Prosody) Ctl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := p.ctl(args...)
	require.NoError(t, err)
	return out
}

func (p *Prosody) ctl(args ...string) (string, error) {
	full := append([]string{"prosodyctl", "--config", p.configFile()}, args...)
	out, err := command("prosody", p.dir, nil, full...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("prosodyctl %q: %w\n%s", args, err, out)
	}
	return string(bytes.TrimSpace(out)), nil
}

// Shell runs one line in Prosody's admin shell, e.g. `s2s:show()`; it fails the test when the line fails.
func (p *Prosody) Shell(t testing.TB, line string) string {
	t.Helper()
	return p.Ctl(t, "shell", line)
}

// AdminSocket is the path of the unix socket of mod_admin_shell (namespace xmpp:prosody.im/admin).
// Only the server's own user and root may open it.
func (p *Prosody) AdminSocket() string { return filepath.Join(p.dir, "data", "prosody.sock") }

// Advertise makes a domain of this server advertise XEP-0485 and point at the node "serverinfo" of its pubsub service,
// or takes that back; it has taken effect on return, and it survives a restart.
func (p *Prosody) Advertise(t testing.TB, domain string, on bool) {
	t.Helper()
	p.AdvertiseNode(t, domain, on, defaultNode(domain))
}

// AdvertiseNode is Advertise with a value of the form's field of one's own; "" leaves the form out.
func (p *Prosody) AdvertiseNode(t testing.TB, domain string, on bool, uri string) {
	t.Helper()
	require.True(t, slices.Contains(p.domains, domain), "%q is not a domain of this server", domain)
	_, before := p.config.NodeURI[domain]
	p.Configure(t, func(c *ProsodyConfig) {
		if on {
			c.NodeURI[domain] = uri
		} else {
			delete(c.NodeURI, domain)
		}
	})
	verb := map[[2]bool]string{{false, true}: "load", {true, true}: "reload", {true, false}: "unload"}[[2]bool{before, on}]
	if verb != "" {
		p.Shell(t, fmt.Sprintf("module:%s(%q, %q)", verb, "serverinfo_advert", domain))
	}
}

// defaultNode is where XEP-0485 expects a domain's item unless told otherwise.
func defaultNode(domain string) string { return "xmpp:pubsub." + domain + "?;node=serverinfo" }

// register makes the lab's accounts.
func (p *Prosody) register() error {
	for _, d := range p.domains {
		for _, u := range Accounts {
			if _, err := p.ctl("register", u, d, Password); err != nil {
				return err
			}
		}
	}
	return nil
}
