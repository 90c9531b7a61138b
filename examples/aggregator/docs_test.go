package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/peterbourgon/ff/v3"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/exclusion"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The commands and configurations of the documentation are parsed here, and checked by the programs that read them where those
// are installed. A block in a language that nobody looks at fails the test.

// blocks returns the fenced blocks of a document by language, in order.
func blocks(t *testing.T, file string) (all [][2]string) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, m := range regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		all = append(all, [2]string{m[1], m[2]})
	}
	require.NotEmpty(t, all)
	return all
}

func TestDocumentation(t *testing.T) {
	for _, file := range []string{"README.md", "../../docs/operating.md"} {
		for i, b := range blocks(t, file) {
			t.Run(fmt.Sprintf("%s/%d %s", filepath.Base(file), i, b[0]), func(t *testing.T) {
				switch b[0] {
				case "sh":
					for line := range strings.Lines(b[1]) {
						checkCommand(t, strings.TrimSpace(line))
					}
				case "conf":
					checkOptions(t, b[1])
				case "exclude":
					n, err := exclusion.Parse([]byte(b[1]))
					require.NoError(t, err)
					require.True(t, n.Has(xep.MustName("a.private.example")))
				case "nginx":
					checkNginx(t, b[1])
				case "ini":
					checkUnit(t, b[1])
				case "caddy":
					checkCaddy(t, b[1])
				case "lua": // Prosody's is in the reporter's tests.
				default:
					t.Fatalf("nobody looks at %q", b[0])
				}
			})
		}
	}
}

// checkOptions reads lines of a configuration.
func checkOptions(t *testing.T, text string) {
	t.Helper()
	c, fs := new(config), flag.NewFlagSet("", flag.ContinueOnError)
	c.flags(fs)
	require.NoError(t, ff.PlainParser(strings.NewReader(text), func(name, value string) error { return fs.Set(name, value) }))
	require.NoError(t, checkListen("listen", c.listen))
	c.operations.excludeFile = "" // which is on the operator's machine
	require.NoError(t, c.operations.check(c.listen, c.database))
}

// checkCommand reads a command line of this program, and knows those of others that the documents use.
func checkCommand(t *testing.T, line string) {
	t.Helper()
	words := splitWords(strings.TrimPrefix(line, "sudo "))
	switch words[0] {
	case "go":
		if words[1] == "run" {
			_, err := parseConfig(words[3:])
			require.NoError(t, err)
		}
	case "aggregator":
		checkCall(t, words[1:])
	case "docker":
		if at := slices.Index(words, "aggregator"); words[1] == "run" {
			at += 1 + slices.Index(words[at+1:], "aggregator") // the first one is the name of the container
			require.Equal(t, []string{"-config", "/etc/xmpp-aggregator.conf"}, words[at+1:])
		} else {
			_, err := os.Stat(filepath.Join("../..", words[slices.Index(words, "-f")+1]))
			require.NoError(t, err)
		}
	case "install", "systemctl", "-u":
	case "cp":
		if !strings.HasPrefix(words[1], "/") {
			_, err := os.Stat(words[1])
			require.NoError(t, err)
		}
	default:
		t.Fatalf("nobody knows %q", line)
	}
}

func checkCall(t *testing.T, args []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "aggregator.conf")
	b, err := os.ReadFile("aggregator.conf")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, b, 0o600))
	for i, a := range args {
		if a == "/etc/xmpp-aggregator.conf" {
			args[i] = file
		}
	}
	if cmd, ok := commands[args[0]]; ok {
		require.NoError(t, new(call).parse(args[0], cmd, args[1:]))
		return
	}
	_, err = parseConfig(args)
	require.NoError(t, err)
}

// splitWords splits a command line; double quotes hold words together.
func splitWords(line string) (words []string) {
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// need returns a program. Where it is not installed the test is skipped, but fails in CI, where that would look like success.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed (.ci/run installs it)", program)
	}
	if err != nil {
		t.Skipf("%s is not installed", program)
	}
	return path
}

// nginxFile completes the block of a server to a configuration that keeps to a folder.
func nginxFile(t *testing.T, dir, server string) string {
	t.Helper()
	// The certificate is not what is looked at.
	server = regexp.MustCompile(`(?m)^\s*ssl_certificate(_key)? .*$`).ReplaceAllString(server, "")
	conf := fmt.Sprintf("pid %[1]s/pid; error_log %[1]s/error.log;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n%[2]s}\n", dir, server)
	file := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(file, []byte(conf), 0o600))
	return file
}

func checkNginx(t *testing.T, server string) {
	nginx, dir := need(t, "nginx"), t.TempDir()
	file := nginxFile(t, dir, strings.Replace(server, "443 ssl http2", "unix:"+filepath.Join(dir, "nginx.sock"), 1))
	out, err := exec.CommandContext(t.Context(), nginx, "-t", "-q", "-c", file, "-p", dir).CombinedOutput()
	require.NoError(t, err, string(out))
}

func checkCaddy(t *testing.T, site string) {
	caddy, file := need(t, "caddy"), filepath.Join(t.TempDir(), "Caddyfile")
	require.NoError(t, os.WriteFile(file, []byte(site), 0o600))
	out, err := exec.CommandContext(t.Context(), caddy, "adapt", "--adapter", "caddyfile", "--config", file).CombinedOutput()
	require.NoError(t, err, string(out))
}

// checkUnit has systemd read the unit, with the lines of a block that belong into the same section.
func checkUnit(t *testing.T, more string) string {
	analyze := need(t, "systemd-analyze")
	b, err := os.ReadFile("aggregator.service")
	require.NoError(t, err)
	program, err := os.Executable()
	require.NoError(t, err)
	text := strings.Replace(string(b), "/usr/local/bin/aggregator", program, 1)
	require.NotEqual(t, string(b), text)
	text = strings.Replace(text, "[Install]", strings.TrimPrefix(more, "[Service]\n")+"\n[Install]", 1)
	file := filepath.Join(t.TempDir(), "xmpp-aggregator.service")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), "Unknown key", string(out))
	return file
}

// systemd's own judgement of the unit is at most 2 of 10 points of exposure.
func TestUnit(t *testing.T) {
	file := checkUnit(t, "")
	out, err := exec.CommandContext(t.Context(), need(t, "systemd-analyze"), "security", "--offline=yes", "--threshold=20", file).CombinedOutput()
	require.NoError(t, err, string(out))
}

// The image can't be made here. That its parts fit together can be seen.
func TestDockerfile(t *testing.T) {
	b, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	new(config).flags(fs)
	stage, user := "", ""
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		switch words[0] {
		case "FROM":
			stage, user = words[1], ""
		case "USER":
			user = words[1]
		case "ENV":
			name, value, ok := strings.Cut(words[1], "=")
			require.True(t, ok, line)
			option, ok := strings.CutPrefix(name, "AGGREGATOR_")
			require.True(t, ok, line)
			require.NoError(t, fs.Set(strings.ToLower(strings.ReplaceAll(option, "_", "-")), value), line)
		case "COPY", "WORKDIR", "VOLUME", "EXPOSE", "ENTRYPOINT":
		case "RUN":
			require.NotEqual(t, "scratch", stage, "there is nothing to run")
		default:
			t.Fatalf("unknown instruction %q", line)
		}
	}
	require.Equal(t, "scratch", stage)
	require.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, user)
	require.Contains(t, string(b), "CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /aggregator ./examples/aggregator\n")
	mod, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	require.Contains(t, string(mod), "\ngo "+regexp.MustCompile(`golang:(\S+)`).FindStringSubmatch(string(b))[1])
}

// Visitors who listen, and a server that no longer answers, don't keep the program from ending in good order.
func TestEndsWithListeners(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	srv.AddDomain(testserver.Domain{Name: "a.test", Advertise: true})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	var log bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"-listen", "localhost:0", "-component", testserver.Component, "-secret-file", secret(t, testserver.Secret),
			"-server", srv.ComponentAddr(), "-contact", "mailto:ops@example.org", "-seed", "a.test", "-spacing", "0s",
			"-database", filepath.Join(t.TempDir(), "aggregator.db")}, w, &log)
		_ = w.Close()
	}()
	var url string
	_, err := fmt.Fscanln(r, &url)
	require.NoError(t, err)
	await(t.Context(), url+"data.json", func(s string) bool { return strings.Contains(s, "a.test") })
	listening := make(chan error, 1)
	go func() {
		_, err := fetch(t.Context(), url+"api/v1/events")
		listening <- err
	}()
	await(t.Context(), url+"metrics", func(s string) bool { return strings.Contains(s, "xmpp_aggregator_streams 1") })
	srv.Pause()
	defer srv.Resume()
	stop()
	require.Zero(t, <-done, log.String())
	require.NoError(t, <-listening, "the stream ends, and is not cut off")
}
