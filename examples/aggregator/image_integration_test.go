//go:build integration

package main

import (
	"bufio"
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The program as the Dockerfile builds and starts it needs nothing but itself: no library, no other file, no right, and no folder to write to but its own.
func TestImage(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a program a root of its own")
	}
	b, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	// said returns what the last line that fits says.
	said := func(line string) []string {
		all := regexp.MustCompile(`(?m)^`+line+`$`).FindAllStringSubmatch(string(b), -1)
		require.NotEmpty(t, all, line)
		return all[len(all)-1]
	}
	root := t.TempDir()
	build := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(said(`RUN (.* go build .*)`)[1], "-o /aggregator", "-o "+filepath.Join(root, "aggregator"), 1))
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	program, err := elf.Open(filepath.Join(root, "aggregator"))
	require.NoError(t, err)
	libraries, err := program.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries)
	require.NoError(t, program.Close())

	user, err := strconv.ParseUint(said(`USER (\d+):\d+`)[1], 10, 32)
	require.NoError(t, err)
	data := filepath.Join(root, said(`VOLUME (.*)`)[1])
	require.NoError(t, os.Mkdir(data, 0o700))
	require.NoError(t, os.Chown(data, int(user), int(user)))
	require.NoError(t, os.Chmod(root, 0o755)) // as an image's is

	cmd := exec.Command(said(`ENTRYPOINT \["(.*)"\]`)[1], "-demo", "-demo-size", "12", "-listen", "127.0.0.1:0")
	cmd.Dir = said(`WORKDIR (.*)`)[1]
	for _, e := range regexp.MustCompile(`(?m)^ENV (.*)$`).FindAllStringSubmatch(string(b), -1) {
		cmd.Env = append(cmd.Env, e[1])
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}}
	log := new(lockedBuilder)
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ended := false
	end := func() error {
		ended = true
		_ = cmd.Process.Signal(syscall.SIGTERM)
		return cmd.Wait()
	}
	defer func() {
		if !ended {
			_ = end()
		}
	}()
	url, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, log)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	body := await(ctx, strings.TrimSpace(url)+"readyz", func(s string) bool { return strings.HasPrefix(s, "ready") })
	require.NoError(t, ctx.Err(), "%s\n%s", body, log)
	require.NoError(t, end(), log)
	require.FileExists(t, filepath.Join(data, "aggregator.db"))
}
