package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/xmppgraph/xmppgraph/examples/internal/certs"
	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
	"github.com/xmppgraph/xmppgraph/examples/internal/exclusion"
	"github.com/xmppgraph/xmppgraph/examples/internal/providers"
)

// databasePatience is how long a database may take to answer a check.
const databasePatience = 10 * time.Second

// checker prints a line for each part of a configuration and what to do about those that won't work.
type checker struct {
	w      io.Writer
	failed bool
}

func (k *checker) ok(what, got string) { fmt.Fprintf(k.w, "✔ %-16s %s\n", what, got) }

func (k *checker) fail(what string, err error, fix string) {
	k.failed = true
	fmt.Fprintf(k.w, "✖ %-16s %s\n", what, strings.Join(strings.Fields(err.Error()), " "))
	for line := range strings.Lines(fix) {
		fmt.Fprintf(k.w, "    %s\n", strings.TrimRight(line, "\n"))
	}
}

func (k *checker) step(what, got string, err error, fix string) {
	if err != nil {
		k.fail(what, err, fix)
	} else {
		k.ok(what, got)
	}
}

// checkConfig looks at all that a configuration refers to, without changing anything and without asking anybody but the database.
// It returns the exit status: 0 if the program could start, 2 if not.
func checkConfig(ctx context.Context, c *config, w io.Writer) int {
	k := &checker{w: w}
	k.xmpp(c)
	k.http(c)
	k.database(ctx, c.database)
	k.lists(c)
	if k.failed {
		return 2
	}
	fmt.Fprintf(w, "\n%s\nNot tried: the connection to the XMPP server, and whether the ports are free.\n", c.plan())
	return 0
}

func (k *checker) xmpp(c *config) {
	if c.demo {
		k.ok("network", "a demonstration, without any contact to the outside")
		return
	}
	if !c.crawls() {
		k.ok("network", "from the database, into which others crawl")
		return
	}
	k.ok("address", c.jid+c.component+" at "+cmp.Or(c.server, "the server that DNS names"))
	what, file := "password", c.passwordFile
	if c.component != "" {
		what, file = "secret", c.secretFile
	}
	k.secret(what, file)
	if c.tlsCA != "" {
		_, err := cli.Roots(c.tlsCA)
		k.step("authorities", c.tlsCA, err, "It has to hold certificates in PEM, which begin with -----BEGIN CERTIFICATE-----")
	}
	k.ok("contact", c.contact)
}

// secret wants a file that can be read, by us and not by everybody.
func (k *checker) secret(what, file string) {
	if _, err := cli.Secret(file); err != nil {
		k.fail(what, err, readRemedy(err, file))
		return
	}
	fi, err := os.Stat(file)
	if err == nil && fi.Mode().Perm()&0o007 != 0 {
		err = fmt.Errorf("%s can be read by every user of this machine", file)
	}
	k.step(what, file, err, "chmod o= "+file)
}

func readRemedy(err error, file string) string {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Sprintf("Run the check as the user that the service runs as, and give that user the file:\nchown USER %[1]s && chmod 400 %[1]s", file)
	case errors.Is(err, os.ErrNotExist):
		return "Make the file, or correct its name. A relative name is relative to where the program is started."
	}
	return ""
}

func (k *checker) http(c *config) {
	scheme := "http"
	if c.encrypted() {
		scheme = "https"
	}
	k.ok("page", scheme+" on "+c.listen)
	if c.redirect != "" {
		k.ok("redirect", "http on "+c.redirect+" leads to it")
	}
	if c.metricsListen != "" {
		k.ok("metrics", "http on "+c.metricsListen+", and not on the page's address")
	}
	switch {
	case c.tlsCert != "":
		k.certificate(c)
	case len(c.acmeDomains) > 0:
		k.step("certificate", "for "+strings.Join(c.acmeDomains, ", ")+" by ACME, kept in "+c.acmeCache, writable(nearest(c.acmeCache)), folderRemedy)
	}
	if len(c.trustedProxies) > 0 {
		k.ok("proxies", "headers of "+strings.Join(c.trustedProxies, ", ")+" say who a client is")
	}
	if c.legalFile != "" {
		k.ok("legal text", fmt.Sprintf("%s, %d bytes", c.legalFile, len(c.legal)))
	}
}

func (k *checker) certificate(c *config) {
	f := &certs.Files{Cert: c.tlsCert, Key: c.tlsKey}
	if err := f.Load(); err != nil {
		k.fail("certificate", err, readRemedy(err, c.tlsKey))
		return
	}
	leaf := f.Leaf()
	var err error
	if time.Now().After(leaf.NotAfter) {
		err = fmt.Errorf("%s has expired on %s", c.tlsCert, leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	k.step("certificate", fmt.Sprintf("for %s until %s", strings.Join(leaf.DNSNames, ", "), leaf.NotAfter.UTC().Format(time.DateOnly)),
		err, "Renew it. The running program takes the new one up within a minute, or at once after SIGHUP.")
	k.secret("key", c.tlsKey)
}

const folderRemedy = "Make the folder, and give it to the user that the service runs as."

// writable returns an error unless files can be made in a folder.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// nearest returns the folder, or the nearest above it that there is, in which it would be made.
func nearest(dir string) string {
	for {
		_, err := os.Stat(dir)
		up := filepath.Dir(dir)
		if !errors.Is(err, os.ErrNotExist) || up == dir {
			return dir
		}
		dir = up
	}
}

// sqliteHeader begins every SQLite database.
const sqliteHeader = "SQLite format 3\x00"

func (k *checker) database(ctx context.Context, place string) {
	const what = "database"
	switch {
	case place == "":
		k.ok(what, "none: all is forgotten at the end, and nobody can opt out by message")
	case isURL(place):
		err := askPostgres(ctx, place)
		k.step(what, "PostgreSQL answers", err, databaseRemedy)
	default:
		b, err := head(place, len(sqliteHeader))
		switch {
		case errors.Is(err, os.ErrNotExist):
			k.step(what, place+", to be made", writable(filepath.Dir(place)), folderRemedy)
		case err == nil && len(b) > 0 && !bytes.Equal(b, []byte(sqliteHeader)):
			k.fail(what, fmt.Errorf("%s is no SQLite database", place), "Name another file: this one is left alone.")
		default:
			k.step(what, place, err, "Give the file to the user that the service runs as.")
		}
	}
}

func head(path string, n int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(n)))
}

func askPostgres(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, databasePatience)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	err = conn.Ping(ctx)
	return errors.Join(err, conn.Close(ctx))
}

func (k *checker) lists(c *config) {
	if c.excludeFile != "" {
		n, err := exclusion.ReadFile(c.excludeFile)
		k.step("exclusion list", fmt.Sprintf("%s, %d lines", c.excludeFile, n.Len()), err, "")
	}
	if c.providers == "" {
		return
	}
	if strings.Contains(c.providers, "://") {
		k.ok("providers", c.providers+", not fetched now; they are named without advertising, which the XEP does not know")
		return
	}
	l := &providers.List{Location: c.providers, Logger: slog.New(slog.DiscardHandler)}
	err := l.Load(context.Background())
	k.step("providers", fmt.Sprintf("%s, %d on the list; they are named without advertising, which the XEP does not know", c.providers, l.Len()),
		err, `It has to be a JSON array of domains: ["example.org"]`)
}

// plan is what the program would do, in words.
func (c *config) plan() string {
	if c.demo {
		return "It would show an invented network at " + c.listen + "."
	}
	page := "serve the page at " + cmp.Or(c.url, c.listen)
	if !c.crawls() {
		return "It would " + page + " from the database, and ask nobody."
	}
	if c.role == roleCrawl {
		page = "leave the page to others"
	}
	return fmt.Sprintf("It would ask %d domains at first, and whom they name, each at most every %v and a host every %v, as %s, and %s.",
		len(c.seeds), c.interval, c.spacing, c.jid+c.component, page)
}
