package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/optout"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	excludeUsage = `Usage:
    aggregator exclude DOMAIN -database PLACE [-reason TEXT]

Puts a domain on the exclusion list: it is never asked again and never shown.
What is known of it goes from the page at once, and from the database with the
next sweep; "aggregator purge" removes it now.

    -reason TEXT         a note for yourself
` + where
	readmitUsage = `Usage:
    aggregator readmit DOMAIN -database PLACE

Takes a domain off the exclusion list. It is shown again once a report names it,
or it is a seed or submitted, and it is found to advertise. A domain that a line
of -exclude-file names stays excluded until that line goes.
` + where
	exclusionsUsage = `Usage:
    aggregator exclusions -database PLACE

Prints the exclusion list of the database: domain, since when, and why. What
-exclude-file names is not in it. Whom you show it to is your responsibility.
` + where
	requestsUsage = `Usage:
    aggregator requests -database PLACE

Prints the latest requests by message to be excluded, or to be shown again, and
what came of each.
` + where
)

func excludeDomain(ctx context.Context, c *call) error {
	name, err := domainArgument(c.args[0])
	if err != nil {
		return err
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Exclude(ctx, store.Exclusion{Domain: name, Since: time.Now(), Reason: c.reason})
}

func readmitDomain(ctx context.Context, c *call) error {
	name, err := domainArgument(c.args[0])
	if err != nil {
		return err
	}
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.Exclusions(ctx)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.Domain == name {
			return db.Readmit(ctx, name)
		}
	}
	return fmt.Errorf("%s is not on the exclusion list of the database; is it in -exclude-file?", name)
}

func listExclusions(ctx context.Context, c *call) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.Exclusions(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, e := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", e.Domain, e.Since.UTC().Format(time.DateTime), printable(e.Reason))
	}
	return w.Flush()
}

func listRequests(ctx context.Context, c *call) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := requests(ctx, db)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, r := range all {
		outcome := "done"
		if !r.Done {
			outcome = "refused: " + printable(r.Why)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.At.UTC().Format(time.DateTime), r.Verb, r.Domain, printable(r.From), outcome)
	}
	return w.Flush()
}

func domainArgument(s string) (xep.Name, error) {
	name, err := xep.ParseName(s)
	if err != nil {
		return xep.Name{}, usageError{err}
	}
	return name, nil
}

// printable keeps what strangers wrote from moving the cursor of whoever reads it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
}

// existingDatabase reports what is wrong with the file of a database that should be there.
func existingDatabase(path string) error {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no database %s: is that the -database of the service?", path)
	case err != nil:
		return err
	case fi.IsDir():
		return fmt.Errorf("%s is a folder: name the file in it", path)
	}
	return nil
}

const (
	// requestsKey is where the requests are kept, and maxRequests how many.
	requestsKey = "optout/requests"
	maxRequests = 200
)

// shelf is the part of a database that keeps documents.
type shelf interface {
	Cached(ctx context.Context, key string) (store.Cached, error)
	Cache(ctx context.Context, c store.Cached) error
}

// requests returns what is kept of requests, the latest last.
func requests(ctx context.Context, db shelf) (all []optout.Request, err error) {
	doc, err := db.Cached(ctx, requestsKey)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(doc.Body, &all); err != nil {
		return nil, fmt.Errorf("the requests that were kept can't be read: %w", err)
	}
	return all, nil
}

// noteRequest keeps a request for the operator's eyes.
// Of two processes that do so in the same moment, one may lose its note: the exclusions themselves are not in it.
func noteRequest(ctx context.Context, db shelf, r optout.Request) error {
	all, err := requests(ctx, db)
	if err != nil {
		return err
	}
	if all = append(all, r); len(all) > maxRequests {
		all = all[len(all)-maxRequests:]
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return db.Cache(ctx, store.Cached{Key: requestsKey, Fetched: r.At, Body: b})
}
