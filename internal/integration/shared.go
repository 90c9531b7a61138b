//go:build integration

package integration

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

var shared struct {
	once sync.Once
	opts Options
	lab  *Lab
	err  error
}

// Main runs a package's tests, which may share one lab through [Shared], and stops it afterwards.
// Call it from TestMain; it does not return.
func Main(m *testing.M, opts Options) {
	shared.opts = opts
	code := m.Run()
	if shared.lab != nil {
		if err := shared.lab.close(); err != nil {
			fmt.Fprintln(os.Stderr, "integration:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Shared is the lab of the package, started by the first test that asks.
// A test that changes it (stops a server, advertises, configures) puts that back before it ends.
// The package's TestMain must call [Main], or nothing stops the lab's servers before the process ends.
func Shared(t testing.TB) *Lab {
	t.Helper()
	needServers(t)
	shared.once.Do(func() { shared.lab, shared.err = start(shared.opts) })
	if shared.err != nil {
		t.Fatalf("start the shared lab: %v", shared.err)
	}
	t.Cleanup(func() { shared.lab.showLogs(t) })
	return shared.lab
}
