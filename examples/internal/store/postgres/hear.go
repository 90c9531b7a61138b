package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Ears is what a process hears of the others that share its database. Its functions are called one at a time and must not take long.
type Ears struct {
	// Changed is called whenever something may have changed, and now and then without a reason.
	Changed func()
	// Asked is called for each domain that was called for, see [Store.Call], nil for whoever visits nobody.
	Asked func(xep.Name)
	// Told is called with what another process tells of a visit that was called for, nil for whoever waits for none.
	Told func(Told)
}

// Told is a step of a visit, or its end, which a process tells to the others while it makes the visit.
type Told struct {
	Domain xep.Name `json:"domain"`
	// N is how many steps came before.
	N int `json:"n"`
	// Step is a step, and End the end; one of them is nil.
	Step *store.Step `json:"step,omitempty"`
	End  *End        `json:"end,omitempty"`
}

// End is how a visit ended.
type End struct {
	At      time.Time     `json:"at"`
	Outcome crawl.Outcome `json:"outcome"`
	// Until is the end of the domain's verdict, zero if it may not be named.
	Until time.Time `json:"until,omitzero"`
}

// Notifications are empty where something has changed, or begin with one of these.
// A process of an older version takes all of them for a change.
const (
	wordAsked = "?" // and then the domain
	wordTold  = "!" // and then a Told as JSON
)

// maxWord is the longest notification that PostgreSQL passes on, in bytes.
const maxWord = 7999

var errLongWord = errors.New("postgres: too long to tell other processes")

// hear passes on what a notification says. What can't be read is left: those who wait look into the database too.
func (e Ears) hear(word string) {
	switch {
	case strings.HasPrefix(word, wordAsked):
		if name, err := xep.ParseName(word[len(wordAsked):]); err == nil && e.Asked != nil {
			e.Asked(name)
		}
	case strings.HasPrefix(word, wordTold):
		var t Told
		err := json.Unmarshal([]byte(word[len(wordTold):]), &t)
		if err == nil && !t.Domain.IsZero() && (t.Step == nil) != (t.End == nil) && e.Told != nil {
			e.Told(t)
		}
	default:
		e.Changed()
	}
}

// Tell tells the other processes of a visit. It is for those who wait at the moment; [Store.Note] is for all others.
func (s *Store) Tell(ctx context.Context, t Told) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	word := wordTold + string(b)
	if len(word) > maxWord {
		return errLongWord
	}
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error { return notify(ctx, tx, word) })
}

// tell wakes the other processes when the transaction is committed.
func tell(ctx context.Context, tx pgx.Tx) error { return notify(ctx, tx, "") }

func notify(ctx context.Context, tx pgx.Tx, word string) error {
	_, err := tx.Exec(ctx, `SELECT pg_notify('xmppgraph.' || current_schema(), $1)`, word)
	return err
}
