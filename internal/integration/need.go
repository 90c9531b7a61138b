//go:build integration

package integration

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// Need skips the test, with its reason, when one of the commands is not installed here.
// Where the environment says CI=true a missing command fails the test instead: there a skip would look like success.
func Need(t testing.TB, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if _, err := exec.LookPath(c); err != nil {
			absent(t, "%s is not installed (.ci/run installs it): %v", c, err)
		}
	}
}

// needServers is [Need] for all that a lab runs on.
func needServers(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		absent(t, "a lab needs Linux: only there all of 127.0.0.0/8 is loopback")
	}
	Need(t, "prosody", "prosodyctl", "ejabberdctl", "erl")
	if erlangLibs() == "" {
		absent(t, "no ejabberd library folder below /usr/lib")
	}
	if nssWrapper() == "" {
		absent(t, "libnss-wrapper is not installed (.ci/run installs it)")
	}
}

func absent(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
		return
	}
	t.Skipf(format, args...)
}
