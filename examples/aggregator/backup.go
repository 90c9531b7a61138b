package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/backup"
)

const (
	purgeUsage = `Usage:
    aggregator purge DOMAIN -database PLACE

Removes all that is known of a domain: what it reported, its history, and its
name from the reports of others, which count it as unnamed instead. An exclusion
stays; without one the name may come back with the next report or visit, so that
whoever is to stay away is to be excluded first. Backups still have it.
` + where
	backupUsage = `Usage:
    aggregator backup FILE -database PLACE

Writes all that the database has, as of one moment, to a file that must not
exist yet. It can be restored to a database of either kind. It is as private as
the database: it holds the names of domains that may not be named.
` + where
	restoreUsage = `Usage:
    aggregator restore FILE -database PLACE

Fills a database that has nothing in it from a backup, all of it or nothing. A
file of SQLite need not exist. So one moves from SQLite to PostgreSQL, too. The
service must not run meanwhile.
` + where
	migrateUsage = `Usage:
    aggregator migrate -database PLACE

Brings the database to the schema of this program, as the service does when it
starts. Older programs can't use it then: make a backup first, and have all
processes that share it replaced.
` + where
)

func purgeDomain(ctx context.Context, c *call) (err error) {
	name, err := domainArgument(c.args[0])
	if err != nil {
		return err
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	gone, err := db.Purge(ctx, name)
	if err != nil {
		return err
	}
	own := "nothing was known of it itself"
	if gone.Known {
		own = "what was known of it was removed"
	}
	fmt.Fprintf(c.stdout, "%s: %s, and its name from %d reports of others\n", name, own, gone.Reports)
	return nil
}

func writeBackup(ctx context.Context, c *call) (err error) {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	file := c.args[0]
	// It is nobody's but the operator's, and no other file's name is taken from it.
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := backup.Write(ctx, f, db, time.Now())
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		// Half a backup is none.
		return errors.Join(err, os.Remove(file))
	}
	fmt.Fprintf(c.stdout, "%s: %d rows\n", file, n)
	return nil
}

func readBackup(ctx context.Context, c *call) (err error) {
	f, err := os.Open(c.args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	db, err := openDatabase(ctx, c.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	n, err := backup.Read(ctx, f, db)
	switch {
	case errors.Is(err, store.ErrNotEmpty):
		return fmt.Errorf("the database has something in it, which is left as it is: name an empty one")
	case err != nil:
		return fmt.Errorf("%s: %w", c.args[0], err)
	}
	fmt.Fprintf(c.stdout, "%s: %d rows restored\n", c.args[0], n)
	return nil
}

func migrate(ctx context.Context, c *call) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.stdout, "the database has the schema of this program")
	return db.Close()
}
