//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Ejabberd is a running ejabberd.
type Ejabberd struct {
	server
	config EjabberdConfig
	cert   string
	key    string
	advert advertiser
	ctls   atomic.Int64 // makes the name of each ejabberdctl unique
}

// EjabberdConfig is the part of ejabberd's configuration that tests vary.
type EjabberdConfig struct {
	// NodeCreators are the components that may create pubsub nodes, as local users always may.
	// At the start all external components, unless Options.Stock.
	NodeCreators []string
	// Delegates are the components that may take over the namespace urn:xmpp:serverinfo:0 (XEP-0355).
	// At the start all external components, unless Options.Stock.
	Delegates []string
	// NodeURI puts a serverinfo-pubsub-node field in the form that a domain's disco#info always has (mod_disco, server_info).
	NodeURI map[string]string
	// Modules maps the name of a further module to its options in YAML's one-line form, e.g. "{}".
	Modules map[string]string
	// Extra is YAML text at the end of the file, top level.
	Extra string
	// LogLevel is "info" or "debug".
	LogLevel string
}

func (l *Lab) newEjabberd(name, address string, domains ...string) (*Ejabberd, error) {
	e := &Ejabberd{server: server{lab: l, domains: domains, address: address, dir: filepath.Join(l.dir, name)}}
	e.log = filepath.Join(e.dir, "logs", "ejabberd.log")
	e.config = EjabberdConfig{LogLevel: l.opts.logLevel(), NodeURI: map[string]string{}, Modules: map[string]string{}}
	if !l.opts.Stock {
		for _, d := range domains {
			e.config.NodeCreators = append(e.config.NodeCreators, components(d)...)
		}
		e.config.Delegates = slices.Clone(e.config.NodeCreators)
	}
	e.proc = &process{
		name: name,
		args: append(e.erl(e.node()),
			"-noinput", "-mnesia", "dir", strconv.Quote(filepath.Join(e.dir, "spool")), "-s", "ejabberd"),
		env:    e.env(),
		dir:    filepath.Join(e.dir, "spool"),
		user:   "ejabberd",
		ready:  []string{e.C2S(), e.DirectTLS(), e.S2S(), e.Component(), e.http()},
		output: filepath.Join(l.dir, name+".out"),
	}
	return e, e.prepare()
}

// node is an Erlang node name with an address in it: it needs no name service, so labs never meet.
func (e *Ejabberd) node() string { return "ejabberd@" + e.address }

// erl is the command that ejabberdctl would run.
// ejabberdctl itself stays between us and the server as a shell that neither passes signals on nor dies with us.
func (e *Ejabberd) erl(node string) []string {
	ip := net.ParseIP(e.address).To4()
	return []string{
		"erl", "-name", node, "-erl_epmd_port", portErlang, "-start_epmd", "false",
		"-kernel", "inet_dist_use_interface", fmt.Sprintf("{%d,%d,%d,%d}", ip[0], ip[1], ip[2], ip[3]),
	}
}

func (e *Ejabberd) env() []string {
	return []string{
		"ERL_LIBS=" + erlangLibs(),
		"ERL_INETRC=" + filepath.Join(e.dir, "inetrc"),
		// Erlang's own resolver obeys the file above, but ejabberd asks the system's for the addresses of other servers.
		"LD_PRELOAD=" + nssWrapper(),
		"NSS_WRAPPER_HOSTS=" + e.lab.hostsFile(),
		"ERL_CRASH_DUMP_BYTES=0",
		"EJABBERD_CONFIG_PATH=" + filepath.Join(e.dir, "ejabberd.yml"),
		"EJABBERD_LOG_PATH=" + e.log,
		"CONTRIB_MODULES_PATH=" + filepath.Join(e.dir, "contrib"),
	}
}

// nssWrapper is the library that gives a process a hosts file of its own.
func nssWrapper() string {
	found, _ := filepath.Glob("/usr/lib/*/libnss_wrapper.so")
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

// erlangLibs is the folder below which Debian keeps ejabberd's compiled code.
func erlangLibs() string {
	found, _ := filepath.Glob("/usr/lib/*/ejabberd-*/ebin")
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(filepath.Dir(found[0]))
}

func (e *Ejabberd) prepare() error {
	if err := folders(e.dir, "logs", "spool", "certs", "contrib"); err != nil {
		return err
	}
	var err error
	if e.cert, e.key, err = e.certify(); err != nil {
		return err
	}
	data := map[string]any{"Hosts": e.lab.hostsFile(), "Nameserver": e.lab.block.addr(hostNowhere), "Dir": e.dir}
	for _, f := range []string{"inetrc", "resolv.conf"} {
		if err := render(filepath.Join(e.dir, f), f, data); err != nil {
			return err
		}
	}
	if err := e.write(); err != nil {
		return err
	}
	return give("ejabberd", e.dir)
}

func (e *Ejabberd) write() error {
	c := e.config
	c.Delegates = append(slices.Clone(c.Delegates), e.advertiserName())
	return render(filepath.Join(e.dir, "ejabberd.yml"), "ejabberd.yml", map[string]any{
		"Address": e.address, "CA": e.lab.CAFile(), "Cert": e.cert, "Config": c, "DirectPort": portDirect,
		"Domains": e.domains, "Internal": []string{e.advertiserName(), e.proberName()}, "Key": e.key, "Secret": Secret,
	})
}

// Start starts the server after Stop or Kill and returns once it accepts connections and advertises what it did before.
func (e *Ejabberd) Start(t testing.TB) {
	t.Helper()
	e.server.Start(t)
	require.NoError(t, e.advert.resume(e))
}

// Restart is Stop and Start.
func (e *Ejabberd) Restart(t testing.TB) {
	t.Helper()
	e.Stop(t)
	e.Start(t)
}

// Configure changes the configuration and has the running server reload it.
func (e *Ejabberd) Configure(t testing.TB, change func(*EjabberdConfig)) {
	t.Helper()
	change(&e.config)
	require.NoError(t, e.write())
	e.API(t, "reload_config", struct{}{})
}

// Config is the present configuration.
func (e *Ejabberd) Config() EjabberdConfig { return e.config }

// Ctl runs a command of ejabberdctl and returns what it prints; it fails the test when the command fails.
// Each call starts an Erlang system, which takes about a second: see API.
func (e *Ejabberd) Ctl(t testing.TB, args ...string) string {
	t.Helper()
	full := e.erl(fmt.Sprintf("ctl-%d@%s", e.ctls.Add(1), e.address))
	full = append(full, "-dist_listen", "false", "-hidden", "-noinput", "-s", "ejabberd_ctl", "-extra", e.node())
	out, err := command("ejabberd", e.proc.dir, e.env(), append(full, args...)...).CombinedOutput()
	require.NoError(t, err, "ejabberdctl %q: %s", args, out)
	return string(bytes.TrimSpace(out))
}

func (e *Ejabberd) http() string { return net.JoinHostPort(e.address, portHTTP) }

// API calls the same commands as Ctl through ejabberd's HTTP interface, with named arguments, and returns the JSON answer.
func (e *Ejabberd) API(t testing.TB, command string, args any) string {
	t.Helper()
	out, err := e.api(command, args)
	require.NoError(t, err)
	return out
}

func (e *Ejabberd) api(command string, args any) (string, error) {
	body, err := json.Marshal(args)
	if err != nil {
		return "", err
	}
	client := http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Post("http://"+e.http()+"/api/"+command, "application/json", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ejabberd command %s: %s: %s", command, resp.Status, out)
	}
	return string(out), nil
}

// register makes the lab's accounts.
func (e *Ejabberd) register() error {
	for _, d := range e.domains {
		for _, u := range Accounts {
			args := map[string]string{"user": u, "host": d, "password": Password}
			if _, err := e.api("register", args); err != nil {
				return err
			}
		}
	}
	return nil
}
