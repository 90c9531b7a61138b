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

// Runner is the part of *testing.M that [With] needs.
type Runner interface{ Run() int }

// With wraps a package's tests, which may share one lab through [Shared], so that the lab is stopped after the last one.
// It fits between *testing.M and another wrapper that looks for what the tests leave behind.
func With(m Runner, opts Options) Runner {
	shared.opts = opts
	return runner{m}
}

type runner struct{ m Runner }

// Run implements Runner.
func (r runner) Run() int {
	code := r.m.Run()
	if shared.lab == nil {
		return code
	}
	if err := shared.lab.close(); err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		return 1
	}
	return code
}

// Main is [With] for a package without another wrapper: call it from TestMain; it does not return.
func Main(m Runner, opts Options) { os.Exit(With(m, opts).Run()) }

// Shared is the lab of the package, started by the first test that asks.
// A test that changes it (stops a server, advertises, configures) puts that back before it ends.
// The package's TestMain must use [With] or [Main], or nothing stops the lab's servers before the process ends.
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
