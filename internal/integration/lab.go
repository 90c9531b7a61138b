//go:build integration

package integration

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	// Password is that of every account.
	Password = "pw"
	// Secret is that of every external component.
	Secret = "secret"

	logTail = 80 // lines of each log that a failed test shows
)

// Accounts exist on every domain; admin is an administrator of the server.
var Accounts = []string{"admin", "alice", "bob"}

// Options vary a lab; the zero value is what most tests want.
type Options struct {
	// Stock leaves out the two grants that Debian's default configuration does not make either:
	// external components may then not create pubsub nodes, nor take over a namespace on ejabberd.
	Stock bool
	// Debug makes the servers log every stanza and decision.
	Debug bool
}

func (o Options) logLevel() string {
	if o.Debug {
		return "debug"
	}
	return "info"
}

// Lab is a running federation of three servers.
type Lab struct {
	// Prosody has a.test and a2.test.
	Prosody *Prosody
	// Ejabberd has b.test and b2.test.
	Ejabberd *Ejabberd
	// Quiet is a second Prosody with c.test.
	Quiet *Prosody
	// Authority signed the certificates of all servers.
	Authority *Authority

	opts  Options
	dir   string
	block *block
}

// Start starts a lab and stops it at the end of the test.
// It skips the test where the servers are not installed, see [Need].
// When the test fails, the end of each server's log is shown.
func Start(t testing.TB, opts Options) *Lab {
	t.Helper()
	needServers(t)
	l, err := start(opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		l.showLogs(t)
		if err := l.close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func start(opts Options) (l *Lab, err error) {
	b, err := reserveBlock()
	if err != nil {
		return nil, err
	}
	l = &Lab{opts: opts, block: b}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if err := l.prepare(); err != nil {
		return nil, err
	}
	return l, l.startServers()
}

func (l *Lab) prepare() error {
	var err error
	if l.dir, err = os.MkdirTemp("", "integration-"); err != nil {
		return err
	}
	// The servers' users must get through, but need not look around.
	if err := os.Chmod(l.dir, 0o711); err != nil {
		return err
	}
	if l.Authority, err = NewAuthority(); err != nil {
		return err
	}
	if err := os.WriteFile(l.CAFile(), l.Authority.PEM(), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(l.hostsFile(), []byte(l.block.hosts()), 0o644); err != nil {
		return err
	}
	if l.Prosody, err = l.newProsody("prosody", l.block.addr(hostProsody), "a.test", "a2.test"); err != nil {
		return err
	}
	if l.Ejabberd, err = l.newEjabberd("ejabberd", l.block.addr(hostEjabberd), "b.test", "b2.test"); err != nil {
		return err
	}
	l.Quiet, err = l.newProsody("quiet", l.block.addr(hostQuiet), "c.test")
	return err
}

// startServers starts all at the same time, because ejabberd takes seconds, and makes their accounts.
func (l *Lab) startServers() error {
	var wg sync.WaitGroup
	errs := make([]error, 3)
	begin := func(i int, s *server, register func() error) {
		wg.Go(func() {
			err := s.proc.start()
			if err == nil {
				err = register()
			}
			if err != nil {
				errs[i] = fmt.Errorf("%w\nlog:\n%s", err, s.tail(logTail))
			}
		})
	}
	begin(0, &l.Prosody.server, l.Prosody.register)
	begin(1, &l.Ejabberd.server, l.Ejabberd.register)
	begin(2, &l.Quiet.server, l.Quiet.register)
	wg.Wait()
	return errors.Join(errs...)
}

// servers lists those that exist so far.
func (l *Lab) servers() []*server {
	var out []*server
	if l.Prosody != nil {
		out = append(out, &l.Prosody.server)
	}
	if l.Ejabberd != nil {
		out = append(out, &l.Ejabberd.server)
	}
	if l.Quiet != nil {
		out = append(out, &l.Quiet.server)
	}
	return out
}

// close stops everything and removes the lab's folder.
func (l *Lab) close() error {
	var errs []error
	if l.Ejabberd != nil {
		errs = append(errs, l.Ejabberd.advert.stop())
	}
	for _, s := range l.servers() {
		// Nothing of theirs is kept, so there is no reason to wait for a polite end.
		errs = append(errs, s.proc.end(syscall.SIGKILL))
	}
	l.block.release()
	if l.dir != "" {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	return errors.Join(errs...)
}

func (l *Lab) showLogs(t testing.TB) {
	if !t.Failed() {
		return
	}
	for _, s := range l.servers() {
		t.Logf("end of the log of %s (%s):\n%s", s.proc.name, s.Domain(), s.tail(logTail))
	}
}

// CA holds the authority that signed the servers' certificates, for a client's tls.Config.
func (l *Lab) CA() *x509.CertPool { return l.Authority.Pool() }

// CAFile is a PEM file of the same, for programs started by a test.
func (l *Lab) CAFile() string { return filepath.Join(l.dir, "ca.pem") }

// SpareAddress is where the names spare.test and pubsub.spare.test resolve to: nothing listens there until the test does.
// It serves as a peer that is silent, or hostile.
func (l *Lab) SpareAddress() string { return l.block.addr(hostSpare) }

func (l *Lab) hostsFile() string { return filepath.Join(l.dir, "hosts") }
