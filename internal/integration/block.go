//go:build integration

package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// The ports are the registered ones: only the address differs from lab to lab.
const (
	portReserve   = "5200" // held by the test itself, to own the block
	portErlang    = "5210"
	portC2S       = "5222"
	portDirect    = "5223"
	portS2S       = "5269"
	portHTTP      = "5280"
	portComponent = "5347"
)

// Host numbers inside a block.
const (
	hostReserve  = 1
	hostProsody  = 2
	hostEjabberd = 3
	hostQuiet    = 4
	hostSpare    = 8 // spare.test: resolves, and a test may listen there
	hostNowhere  = 9 // refused.test and all DNS queries: nothing ever listens there
)

// block is a loopback network 127.77.N.0/24 that this process owns until it releases it or dies.
type block struct {
	n       int
	reserve net.Listener
}

// reserveBlock takes the first free network.
// The claim is a listening socket, not a lock file, so that the kernel drops it however the process ends.
func reserveBlock() (*block, error) {
	const blocks = 254
	first := os.Getpid()
	var errs []error
	for i := range blocks {
		b := &block{n: (first+i)%blocks + 1}
		l, err := net.Listen("tcp4", net.JoinHostPort(b.addr(hostReserve), portReserve))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		b.reserve = l
		if err := b.unused(); err != nil {
			errs = append(errs, err)
			l.Close()
			continue
		}
		return b, nil
	}
	return nil, fmt.Errorf("no free network in 127.77.0.0/16: %w", errors.Join(errs...))
}

// unused makes sure that no server of an earlier, badly ended run is still there.
func (b *block) unused() error {
	for _, host := range []int{hostProsody, hostEjabberd, hostQuiet} {
		for _, port := range []string{portC2S, portS2S, portComponent} {
			l, err := net.Listen("tcp4", net.JoinHostPort(b.addr(host), port))
			if err != nil {
				return err
			}
			l.Close()
		}
	}
	return nil
}

func (b *block) release() { b.reserve.Close() }

func (b *block) addr(host int) string { return fmt.Sprintf("127.77.%d.%d", b.n, host) }

// hosts is the text of the lab's own hosts file.
func (b *block) hosts() string {
	var sb strings.Builder
	line := func(host int, names ...string) {
		fmt.Fprintf(&sb, "%s %s\n", b.addr(host), strings.Join(names, " "))
	}
	fmt.Fprintln(&sb, "127.0.0.1 localhost")
	line(hostProsody, names("a.test", "a2.test")...)
	line(hostEjabberd, names("b.test", "b2.test")...)
	line(hostQuiet, names("c.test")...)
	line(hostSpare, "spare.test", "pubsub.spare.test")
	line(hostNowhere, "refused.test")
	return sb.String()
}

// componentNames are the external components of every domain, before the dot.
var componentNames = []string{"comp", "reporter", "crawler"}

// components lists the external components of domain.
func components(domain string) []string {
	out := make([]string, len(componentNames))
	for i, c := range componentNames {
		out[i] = c + "." + domain
	}
	return out
}

// names lists every name that a server with these domains answers to: also the names of its certificate.
func names(domains ...string) []string {
	var out []string
	for _, d := range domains {
		out = append(out, d, "pubsub."+d)
		out = append(out, components(d)...)
	}
	return out
}
