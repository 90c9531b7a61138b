package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
	"github.com/xmppgraph/xmppgraph/examples/internal/exclusion"
	"github.com/xmppgraph/xmppgraph/examples/internal/providers"
	"github.com/xmppgraph/xmppgraph/examples/internal/proxy"
)

// maxLegal bounds the file of -legal in bytes.
const maxLegal = 64 << 10

// operations are the settings of who is left out or named by policy, of what the site says of itself, and of encryption.
type operations struct {
	checkConfig bool
	excludeFile string
	providers   string

	url, operator, source string
	legalFile, legal      string

	tlsCert, tlsKey          string
	acmeDomains              cli.List
	acmeCache, acmeDirectory string
	redirect, metricsListen  string
	trustedProxies           cli.List
}

// register adds the flags.
func (o *operations) register(fs *flag.FlagSet) {
	fs.BoolVar(&o.checkConfig, "check-config", false, "")
	for _, f := range []struct {
		p           *string
		name, value string
	}{
		{&o.excludeFile, "exclude-file", ""}, {&o.providers, "providers", ""},
		{&o.url, "url", ""}, {&o.operator, "operator", ""}, {&o.source, "source", projectSource}, {&o.legalFile, "legal", ""},
		{&o.tlsCert, "tls-cert", ""}, {&o.tlsKey, "tls-key", ""},
		{&o.acmeCache, "acme-cache", ""}, {&o.acmeDirectory, "acme-directory", ""}, {&o.redirect, "redirect", ""},
		{&o.metricsListen, "metrics-listen", ""},
	} {
		fs.StringVar(f.p, f.name, f.value, "")
	}
	fs.Var(&o.acmeDomains, "acme-domain", "")
	fs.Var(&o.trustedProxies, "trusted-proxy", "")
}

// encrypted reports whether the program serves HTTPS itself.
func (o *operations) encrypted() bool { return o.tlsCert != "" || len(o.acmeDomains) > 0 }

// check finds what makes no sense, and reads what is read only once.
func (o *operations) check(listen, database string) error {
	if err := checkListen("listen", listen); err != nil {
		return err
	}
	for flag, addr := range map[string]string{"redirect": o.redirect, "metrics-listen": o.metricsListen} {
		if addr == "" {
			continue
		}
		if err := checkListen(flag, addr); err != nil {
			return err
		}
	}
	switch {
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return errors.New("-tls-cert and -tls-key go together: give both or neither")
	case o.tlsCert != "" && len(o.acmeDomains) > 0:
		return errors.New("take the certificate either from -tls-cert or from -acme-domain")
	case o.redirect != "" && !o.encrypted():
		return errors.New("-redirect leads to HTTPS: give -tls-cert and -tls-key, or -acme-domain")
	case o.url != "" && !checkURL(o.url):
		return fmt.Errorf("-url %q is not like https://graph.example.org", o.url)
	case !checkURL(o.source):
		return fmt.Errorf("-source %q is not like %s", o.source, projectSource)
	}
	if _, err := proxy.Parse(o.trustedProxies...); err != nil {
		return fmt.Errorf("-trusted-proxy: %w", err)
	}
	if err := providers.CheckLocation(o.providers); err != nil {
		return fmt.Errorf("-providers: %w", err)
	}
	if err := o.checkACME(database); err != nil {
		return err
	}
	if o.excludeFile != "" {
		if _, err := exclusion.ReadFile(o.excludeFile); err != nil {
			return fmt.Errorf("-exclude-file: %w", err)
		}
	}
	return o.readLegal()
}

func (o *operations) readLegal() error {
	if o.legalFile == "" {
		return nil
	}
	fi, err := os.Stat(o.legalFile)
	if err != nil {
		return fmt.Errorf("-legal: %w", err)
	}
	if fi.Size() > maxLegal {
		return fmt.Errorf("-legal: %s has more than %d bytes", o.legalFile, maxLegal)
	}
	b, err := os.ReadFile(o.legalFile)
	if err != nil {
		return fmt.Errorf("-legal: %w", err)
	}
	o.legal = string(b)
	return nil
}

// checkListen wants a host, which may be empty, and a port.
func checkListen(flag, addr string) error {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("-%s %q is not like localhost:8080: %w", flag, addr, err)
	}
	if _, err := net.ResolveTCPAddr("tcp", addr); err != nil {
		return fmt.Errorf("-%s %q: %w", flag, addr, err)
	}
	return nil
}

// isURL tells a database server from a file.
func isURL(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}
