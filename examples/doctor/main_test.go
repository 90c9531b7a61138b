package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/examples/internal/cli/clitest"
	"github.com/xmppgraph/xmppgraph/examples/internal/remedy"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) {
	testscript.Main(leak.Checked{Runner: m}, map[string]func(){"doctor": inTheLab})
}

// zone is a DNS of the test's own: it is the file that DOCTOR_ZONE names, so that the program under test can read it.
type zone struct {
	// SRV maps names such as "_xmpp-server._tcp.me.test" to targets with a port, "." for none.
	SRV map[string]string
	// Hosts maps names to addresses, and Ports those of a name on the default port to where it really listens.
	Hosts map[string]string
	Ports map[string]string
}

func (z *zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	to, ok := z.SRV["_"+service+"._"+proto+"."+name]
	if !ok {
		return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	if to == "." {
		return "", []*net.SRV{{Target: "."}}, nil
	}
	host, port, err := net.SplitHostPort(to)
	if err != nil {
		return "", nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return "", []*net.SRV{{Target: host + ".", Port: uint16(n)}}, err
}

func (z *zone) LookupHost(_ context.Context, host string) ([]string, error) {
	if addr, ok := z.Hosts[host]; ok {
		return []string{addr}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// inTheLab is the program with the network of the lab around it: made-up addresses lead to ports of this machine.
func inTheLab() {
	z := new(zone)
	if b, err := os.ReadFile(os.Getenv("DOCTOR_ZONE")); err == nil {
		if err := json.Unmarshal(b, z); err != nil {
			panic(err)
		}
	}
	var d net.Dialer
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if real, ok := z.Ports[address]; ok {
			address = real
		}
		if !strings.HasPrefix(address, "127.0.0.1:") {
			return nil, errors.New("connection refused")
		}
		return d.DialContext(ctx, network, address)
	}
	_ = os.Unsetenv("DOCTOR_ZONE")
	os.Exit(run(context.Background(), os.Args[1:], world{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, resolver: z, dial: dial,
	}))
}

// lab is what a script changes.
type lab struct {
	srv  *testserver.Server
	ca   *authority
	zone zone
	file string
	dir  string
	done []func()
}

type labKey struct{}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			l, err := newLab(e.WorkDir)
			if err != nil {
				return err
			}
			e.Defer(l.close)
			e.Values[labKey{}] = l
			e.Setenv("COMPONENT_PORT", l.srv.ComponentAddr())
			e.Setenv("CLIENT_PORT", l.srv.ClientAddr())
			e.Setenv("DOCTOR_ZONE", l.file)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"domain": cmdDomain, "host": cmdHost, "srv": cmdSRV, "status": clitest.Status,
			"nonode": cmdNoNode, "create": cmdCreate, "configure": cmdConfigure, "publish": cmdPublish,
		},
	})
}

func newLab(dir string) (*lab, error) {
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	l := &lab{
		srv: testserver.New(testserver.Config{Seed: 1}), ca: ca, dir: dir, file: filepath.Join(dir, "zone.json"),
		zone: zone{SRV: map[string]string{}, Hosts: map[string]string{}, Ports: map[string]string{}},
	}
	// The authority of the account's server and that of the lab's hosts, as an operator would trust them.
	pems := append(l.srv.CertPEM(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})...)
	for name, b := range map[string][]byte{
		"secret": []byte(testserver.Secret + "\n"), "password": []byte(testserver.Password), "ca.pem": pems, "wrong": []byte("wrong"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return nil, err
		}
	}
	return l, l.save()
}

func (l *lab) save() error {
	b, err := json.Marshal(l.zone)
	if err != nil {
		return err
	}
	return os.WriteFile(l.file, b, 0o600)
}

func (l *lab) close() {
	_ = l.srv.Close()
	for _, f := range l.done {
		f()
	}
}

func labOf(ts *testscript.TestScript) *lab { return ts.Value(labKey{}).(*lab) }

// cmdDomain is "domain NAME [PROFILE|QUIRK|peer=NAME|raw=FILE|off|service=NAME|nowhere]…": a domain behind the account's server.
func cmdDomain(ts *testscript.TestScript, _ bool, args []string) {
	d := testserver.Domain{Name: args[0], Advertise: true}
	for _, a := range args[1:] {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "off":
			d.Advertise = false
		case "peer":
			d.Report.Peers = append(d.Report.Peers, testserver.Peer{Name: value, Directions: testserver.Bidi})
		case "raw":
			d.Report.Raw = strings.TrimSpace(ts.ReadFile(value))
		case "service":
			d.Service = value
		case "node":
			d.Node = value
		case "owned":
			d.Admins = []string{ownerName}
		case "contacts":
			d.Contacts = map[string][]string{"abuse-addresses": {"mailto:abuse@example.org"}}
		case "quirk":
			quirks := map[string]testserver.Quirks{
				"TwoForms": testserver.TwoForms, "NoForm": testserver.NoForm, "FormOnly": testserver.FormOnly, "UpperCase": testserver.UpperCase,
				"DuplicatePeers": testserver.DuplicatePeers,
			}
			if d.Quirks |= quirks[value]; quirks[value] == 0 {
				ts.Fatalf("unknown quirk %q", value)
			}
		case "fault":
			faults := map[string]testserver.Fault{"NotFound": testserver.NotFound, "ErrorReply": testserver.ErrorReply, "NoReply": testserver.NoReply}
			if d.Fault = faults[value]; d.Fault == 0 {
				ts.Fatalf("unknown fault %q", value)
			}
		default:
			for _, p := range testserver.Profiles() {
				if p.String() == key {
					d.Profile = p
				}
			}
			if d.Profile == 0 {
				ts.Fatalf("unknown word %q", a)
			}
		}
	}
	labOf(ts).srv.AddDomain(d)
}

// cmdNoNode is "nonode NAME": a domain whose publisher could not create the node.
func cmdNoNode(ts *testscript.TestScript, _ bool, args []string) {
	l := labOf(ts)
	host := l.srv.AddDomain(testserver.Domain{Name: args[0], Advertise: true, Profile: brandProfile(ts, args[1:])})
	host.DeleteNode()
}

func brandProfile(ts *testscript.TestScript, args []string) testserver.Profile {
	for _, p := range testserver.Profiles() {
		if len(args) > 0 && p.String() == args[0] {
			return p
		}
	}
	if len(args) > 0 {
		ts.Fatalf("unknown profile %q", args[0])
	}
	return testserver.Standard
}

// ownerName is a component that owns the nodes of domains that are "owned".
const ownerName = "owner." + testserver.HomeName

// cmdCreate is "create NAME": the owner makes the node of a domain that has none.
func cmdCreate(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(labOf(ts).own(args[0], "<pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='serverinfo'/></pubsub>"))
}

// cmdConfigure is "configure NAME FIELD VALUE": the owner of a node changes its configuration, the field without its pubsub#.
func cmdConfigure(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(labOf(ts).own(args[0], "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='serverinfo'><x xmlns='jabber:x:data' type='submit'>"+
		"<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#node_config</value></field>"+
		"<field var='pubsub#"+args[1]+"'><value>"+args[2]+"</value></field></x></configure></pubsub>"))
}

// cmdPublish is "publish NAME ID FILE": the owner of a node publishes an item.
func cmdPublish(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(labOf(ts).own(args[0], "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='serverinfo'><item id='"+args[1]+"'>"+
		ts.ReadFile(args[2])+"</item></publish></pubsub>"))
}

// own sends a request to a domain's service as its owner.
func (l *lab) own(domain, payload string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := connect.Component(ctx, connect.Config{JID: jid.MustParse(ownerName), Server: l.srv.ComponentAddr(), Secret: testserver.Secret})
	if err != nil {
		return err
	}
	defer s.Close()
	to, err := jid.Parse("pubsub." + domain)
	if err != nil {
		return err
	}
	_, err = roundtrip.Do(ctx, s, roundtrip.Request{Type: stanza.SetIQ, To: to, Payload: []byte(payload)})
	return err
}

// cmdHost is "host NAME [cert=NAME,…|direct|notls|expired|unknown|stranger|closed|garbage]…": an address of that name, at which a
// server answers other servers, and presents a certificate for that name unless told otherwise.
func cmdHost(ts *testscript.TestScript, _ bool, args []string) {
	l := labOf(ts)
	h := &host{name: args[0], names: []string{args[0]}, ca: l.ca}
	for _, a := range args[1:] {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "cert":
			h.names = strings.Split(value, ",")
		case "stranger":
			other, err := newAuthority()
			ts.Check(err)
			h.ca = other
		default:
			h.how = key
		}
	}
	addr := fmt.Sprintf("192.0.2.%d", len(l.zone.Hosts)+1)
	l.zone.Hosts[h.name] = addr
	if h.how != "closed" {
		at, stop, err := h.listen()
		ts.Check(err)
		l.done = append(l.done, stop)
		l.zone.Ports[addr+":5269"], l.zone.Ports[addr+":5270"] = at, at
	}
	ts.Check(l.save())
}

// cmdSRV is "srv NAME TARGET": where a record such as _xmpp-server._tcp.me.test leads.
func cmdSRV(ts *testscript.TestScript, _ bool, args []string) {
	l := labOf(ts)
	l.zone.SRV[args[0]] = args[1]
	ts.Check(l.save())
}

// Every case that can fail has a remedy, and no remedy is of a case that does not exist.
func TestRemedies(t *testing.T) {
	known := []string{"freshness"}
	for _, s := range []string{"domain", "service"} {
		for _, c := range hostCases(s, s) {
			known = append(known, c.ID)
		}
	}
	for _, c := range conformance.Catalogue() {
		if c.Needs == conformance.NeedDomain || c.Needs == conformance.NeedPayload {
			known = append(known, c.ID)
		}
	}
	require.ElementsMatch(t, known, remedy.Cases())
}

// What comes in answer to a stream header may be anything.
func FuzzGreeting(f *testing.F) {
	f.Add([]byte(open + "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features><proceed/>"))
	f.Add([]byte(open + "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"))
	f.Add([]byte(open + "<stream:features/>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		here, there := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() {
			buf := make([]byte, 4096)
			for {
				if _, err := there.Read(buf); err != nil {
					return
				}
			}
		})
		wg.Go(func() {
			_, _ = there.Write(b)
			_ = there.Close()
		})
		err := startTLS(here, mustName(t))
		if err == nil {
			require.Contains(t, string(b), "<proceed")
		}
		_ = here.Close()
		wg.Wait()
	})
}

func mustName(t *testing.T) xep.Name {
	t.Helper()
	n, err := xep.ParseName("me.test")
	require.NoError(t, err)
	return n
}
