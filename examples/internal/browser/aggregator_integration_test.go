//go:build integration

package browser

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// build makes the program once for all tests, in the folder of the browser's profile, which goes at the end.
var build = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(scratch, "aggregator")
	out, err := exec.Command("go", "build", "-o", bin, "github.com/xmppgraph/xmppgraph/examples/aggregator").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return bin, nil
})

// aggregator runs the program as its operator would, until the test ends, and returns the address of its page.
func aggregator(t *testing.T, args ...string) string {
	t.Helper()
	bin, err := build()
	require.NoError(t, err)
	errs, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	cmd := exec.Command(bin, append(args, "-listen", "localhost:0")...)
	cmd.Stderr = errs
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		err := errors.Join(cmd.Wait(), errs.Close())
		said, _ := os.ReadFile(errs.Name())
		require.NoError(t, err, "%s", said)
		if t.Failed() {
			t.Logf("the aggregator said:\n%s", said)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		said, _ := os.ReadFile(errs.Name())
		require.NoError(t, err, "%s", said)
	}
	return strings.TrimSuffix(strings.TrimSpace(line), "/")
}
