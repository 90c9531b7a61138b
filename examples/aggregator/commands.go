package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/peterbourgon/ff/v3"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
)

// command is a task that ends, beside the service that goes on.
type command struct {
	// usage is the whole text of -h.
	usage string
	// args is how many arguments it takes, at least and at most.
	args [2]int
	// flags adds what it takes beside -database and -config, nil for nothing.
	flags func(*flag.FlagSet, *call)
	// run does it.
	run func(ctx context.Context, c *call) error
}

// call is how a command was called.
type call struct {
	args           []string
	stdout, stderr io.Writer
	database       string
	reason         string
}

// commands are known by the first argument of the program.
var commands = map[string]command{
	"exclude":    {excludeUsage, [2]int{1, 1}, func(fs *flag.FlagSet, c *call) { fs.StringVar(&c.reason, "reason", "", "") }, excludeDomain},
	"readmit":    {readmitUsage, [2]int{1, 1}, nil, readmitDomain},
	"exclusions": {exclusionsUsage, [2]int{0, 0}, nil, listExclusions},
	"requests":   {requestsUsage, [2]int{0, 0}, nil, listRequests},
	"purge":      {purgeUsage, [2]int{1, 1}, nil, purgeDomain},
	"backup":     {backupUsage, [2]int{1, 1}, nil, writeBackup},
	"restore":    {restoreUsage, [2]int{1, 1}, nil, readBackup},
	"migrate":    {migrateUsage, [2]int{0, 0}, nil, migrate},
}

// where is the part of every command's usage that says where the database is.
const where = `
    -database PLACE      the database, as for the service: a file or a URL
    -config FILE         take it from the service's configuration instead
    -h, -help            this text

AGGREGATOR_DATABASE and AGGREGATOR_CONFIG in the environment do the same.
The service may be running; it takes notice within seconds.
`

// runCommand runs a command, with the exit status as its result.
func runCommand(ctx context.Context, name string, args []string, stdout, stderr io.Writer) int {
	cmd := commands[name]
	c := &call{stdout: stdout, stderr: stderr}
	err := c.parse(name, cmd, args)
	if err == nil {
		err = cmd.run(ctx, c)
	}
	var usageErr usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, cmd.usage)
		return 0
	case errors.As(err, &usageErr):
		fmt.Fprintf(stderr, "aggregator %s: %v\nRun \"aggregator %s -h\" for help.\n", name, err, name)
		return 2
	}
	fmt.Fprintf(stderr, "aggregator %s: %v\n", name, err)
	explain(stderr, err)
	return 1
}

// parse reads flags, which may stand before and after the arguments, environment and file.
func (c *call) parse(name string, cmd command, args []string) error {
	fs := flag.NewFlagSet("aggregator "+name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.database, "database", "", "")
	_ = fs.String("config", "", "")
	if cmd.flags != nil {
		cmd.flags(fs, c)
	}
	for rest := args; ; {
		if err := fs.Parse(rest); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return flag.ErrHelp
			}
			return usageError{err}
		}
		if fs.NArg() == 0 {
			break
		}
		c.args, rest = append(c.args, fs.Arg(0)), fs.Args()[1:]
	}
	// The flags that were given are found to be set. The file is the service's, with options that no command has.
	if err := ff.Parse(fs, nil, append(slices.Clone(sources), ff.WithIgnoreUndefined(true))...); err != nil {
		return usageError{err}
	}
	switch {
	case len(c.args) > cmd.args[1]:
		return usageError{fmt.Errorf("unexpected argument %q", c.args[cmd.args[1]])}
	case len(c.args) < cmd.args[0]:
		return usageError{errors.New("an argument is missing")}
	case c.database == "":
		return usageError{errors.New("give -database, or -config with the service's configuration")}
	}
	return nil
}

// open opens the database, which must be there already if it is a file: a name with a mistake in it is no new database.
func (c *call) open(ctx context.Context) (store.Store, error) {
	if !isURL(c.database) {
		if err := existingDatabase(c.database); err != nil {
			return nil, err
		}
	}
	return openDatabase(ctx, c.database)
}

// commandNames lists the commands for an error.
func commandNames() string {
	var names []string
	for n := range commands {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
