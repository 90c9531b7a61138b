//go:build integration

package integration

import (
	"embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"
)

//go:embed templates
var templates embed.FS

// server is what Prosody and ejabberd have in common.
type server struct {
	lab     *Lab
	domains []string
	address string
	dir     string // the server's own folder
	log     string
	proc    *process
}

// Domain is the server's first domain.
func (s *server) Domain() string { return s.domains[0] }

// Sibling is the second virtual host of the same server, empty where it has only one.
func (s *server) Sibling() string {
	if len(s.domains) < 2 {
		return ""
	}
	return s.domains[1]
}

// C2S is the host:port for clients that use StartTLS.
func (s *server) C2S() string { return net.JoinHostPort(s.address, portC2S) }

// DirectTLS is the host:port for clients that start with TLS (XEP-0368).
func (s *server) DirectTLS() string { return net.JoinHostPort(s.address, portDirect) }

// S2S is the host:port for other servers.
func (s *server) S2S() string { return net.JoinHostPort(s.address, portS2S) }

// Component is the host:port for external components (XEP-0114); their secret is [Secret].
func (s *server) Component() string { return net.JoinHostPort(s.address, portComponent) }

// Address is the server's loopback address.
func (s *server) Address() string { return s.address }

// Dir is the server's folder, with its configuration, data and log.
func (s *server) Dir() string { return s.dir }

// PID is the process id, 0 while the server is stopped.
func (s *server) PID() int { return s.proc.pid() }

// Start starts the server after Stop or Kill and returns once it accepts connections.
func (s *server) Start(t testing.TB) {
	t.Helper()
	require.NoError(t, s.proc.start(), "log of %s:\n%s", s.proc.name, s.tail(logTail))
}

// Stop ends the server politely; its connections are closed with a stream error.
func (s *server) Stop(t testing.TB) {
	t.Helper()
	require.NoError(t, s.proc.end(syscall.SIGTERM))
}

// Kill ends the server at once (SIGKILL): the kernel closes its connections.
func (s *server) Kill(t testing.TB) {
	t.Helper()
	require.NoError(t, s.proc.end(syscall.SIGKILL))
}

// Restart is Stop and Start.
func (s *server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.Start(t)
}

// Pause freezes the server (SIGSTOP): connections stay open, and from its return nothing answers.
// A test that ends before Resume, because it failed, leaves the server running for those after it.
func (s *server) Pause(t testing.TB) {
	t.Helper()
	require.NoError(t, s.proc.pause())
	t.Cleanup(func() { _ = s.proc.signal(syscall.SIGCONT) }) // it may have ended meanwhile
}

// Resume undoes Pause.
func (s *server) Resume(t testing.TB) {
	t.Helper()
	require.NoError(t, s.proc.signal(syscall.SIGCONT))
}

// Logs is the server's whole log so far.
func (s *server) Logs() string {
	log, err := os.ReadFile(s.log)
	out, _ := os.ReadFile(s.proc.output)
	if err != nil {
		return fmt.Sprintf("(%v)\n%s", err, out)
	}
	return string(log) + string(out)
}

// tail is the last n lines of the log.
func (s *server) tail(n int) string {
	lines := strings.Split(strings.TrimRight(s.Logs(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// render writes a template of this package to a file.
func render(file, name string, data any) error {
	t, err := template.New(name).Funcs(template.FuncMap{"components": components}).ParseFS(templates, "templates/"+name)
	if err != nil {
		return err
	}
	var sb strings.Builder
	if err := t.ExecuteTemplate(&sb, name, data); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(sb.String()), 0o644)
}

// folders makes folders that any user may enter.
func folders(base string, names ...string) error {
	for _, n := range names {
		if err := os.MkdirAll(filepath.Join(base, n), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// certify writes the server's certificate and key and returns their files.
func (s *server) certify() (cert, key string, err error) {
	c, k, err := s.lab.Authority.Issue(names(s.domains...)...)
	if err != nil {
		return "", "", err
	}
	cert, key = filepath.Join(s.dir, "certs", "server.crt"), filepath.Join(s.dir, "certs", "server.key")
	if err := os.WriteFile(cert, c, 0o644); err != nil {
		return "", "", err
	}
	return cert, key, os.WriteFile(key, k, 0o644)
}
