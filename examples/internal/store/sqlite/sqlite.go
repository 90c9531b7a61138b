// Package sqlite keeps the aggregator's data in one file, for one process.
//
// The driver is SQLite itself in Go (zombiezen.com/go/sqlite over modernc.org/sqlite), so that a program needs no C library.
// One connection writes and a few read: by SQLite's write-ahead log they don't wait for each other.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
)

const (
	// readers is the number of connections for each of the two sides. A crawler holds one of them while it starts.
	readers = 4
	// patience is how long to wait for another process, such as a backup, that keeps the database busy.
	patience = 10 * time.Second
)

// Options are the settings of a store. The zero value works.
type Options struct {
	// Now is the clock that verdicts are judged by; nil is time.Now.
	Now func() time.Time
}

// Store is a [store.Store] in a file.
type Store struct {
	now func() time.Time
	// writer is one connection, so that writers queue up in Go instead of polling for SQLite's lock.
	writer, private, public *sqlitex.Pool
	// observing keeps observations from overlapping.
	observing sync.Mutex

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

var errClosed = errors.New("sqlite: the store is closed")

// Open opens the database in a file, which it makes, readable for nobody else, if there is none, and brings it to the present schema.
//
// The error is a [*store.VersionError] if a newer program has written it.
func Open(ctx context.Context, file string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{now: o.Now}
	if err := s.open(ctx, file); err != nil {
		s.closePools()
		return nil, fmt.Errorf("sqlite: open %q: %w", file, typed(err))
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, file string) (err error) {
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	// SQLite would make it by the umask; the names in it are not for every user of the machine.
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := inspect(file); err != nil {
		return err
	}
	s.writer, err = sqlitex.NewPool(file, sqlitex.PoolOptions{Flags: sqlite.OpenReadWrite, PoolSize: 1, PrepareConn: prepareWriter})
	if err != nil {
		return err
	}
	if err := s.write(ctx, migrate); err != nil {
		return err
	}
	o := sqlitex.PoolOptions{Flags: sqlite.OpenReadWrite, PoolSize: readers, PrepareConn: prepareReader}
	if s.private, err = sqlitex.NewPool(file, o); err != nil {
		return err
	}
	o.PrepareConn = s.preparePublic
	s.public, err = sqlitex.NewPool(file, o)
	return err
}

// Close implements [store.Store].
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	err := s.closePools()
	s.calls.Wait()
	return err
}

// closePools closes the writer last: as the last connection it takes the log into the database.
func (s *Store) closePools() error {
	var all []error
	for _, p := range []*sqlitex.Pool{s.public, s.private, s.writer} {
		if p != nil {
			all = append(all, p.Close())
		}
	}
	return errors.Join(all...)
}

func prepareWriter(c *sqlite.Conn) error { return pragmas(c, WriterPragmas()...) }

func prepareReader(c *sqlite.Conn) error {
	return pragmas(c, "query_only = ON", "cache_size = -8192", "temp_store = MEMORY")
}

func pragmas(c *sqlite.Conn, all ...string) error {
	for _, p := range all {
		if err := sqlitex.ExecuteTransient(c, "PRAGMA "+p, nil); err != nil {
			return fmt.Errorf("pragma %s: %w", p, err)
		}
	}
	return nil
}

// namedView is what the public side sees of domains.
const namedView = `CREATE TEMP VIEW named AS SELECT id, name, until, reported FROM main.domains AS d
	WHERE until > present() AND NOT EXISTS (SELECT 1 FROM main.exclusions AS e WHERE e.name = d.name)`

// preparePublic makes a connection that can read names by the view only, whatever statement somebody may add one day.
func (s *Store) preparePublic(c *sqlite.Conn) error {
	if err := prepareReader(c); err != nil {
		return err
	}
	present := &sqlite.FunctionImpl{Scalar: func(sqlite.Context, []sqlite.Value) (sqlite.Value, error) {
		return sqlite.IntegerValue(adapter.Micros(s.now())), nil
	}}
	if err := c.CreateFunction("present", present); err != nil {
		return err
	}
	// A temporary view is none of the database's business, and yet query_only forbids it.
	if err := pragmas(c, "query_only = OFF"); err != nil {
		return err
	}
	if err := sqlitex.ExecuteTransient(c, namedView, nil); err != nil {
		return err
	}
	if err := pragmas(c, "query_only = ON"); err != nil {
		return err
	}
	return c.SetAuthorizer(sqlite.AuthorizeFunc(authorize))
}

// authorize refuses to read what may hold a name, unless it is read by the view.
func authorize(a sqlite.Action) sqlite.AuthResult {
	if a.Type() != sqlite.OpRead || a.Accessor() == "named" {
		return sqlite.AuthResultOK
	}
	switch a.Table() {
	case "exclusions", "documents", "visits":
		return sqlite.AuthResultDeny
	case "domains":
		// Nothing but the row's id is read with an empty column name, as count(*) does.
		if a.Column() != "id" && a.Column() != "" {
			return sqlite.AuthResultDeny
		}
	}
	return sqlite.AuthResultOK
}

// write runs f in a transaction, which is made durable if f succeeds.
func (s *Store) write(ctx context.Context, f func(*sqlite.Conn) error) error {
	return s.with(ctx, s.writer, func(c *sqlite.Conn) (err error) {
		end, err := immediate(ctx, c)
		if err != nil {
			return err
		}
		defer end(&err)
		return f(c)
	})
}

// immediate begins a transaction that may write, and waits for other processes that do, but not for ever.
func immediate(ctx context.Context, c *sqlite.Conn) (end func(*error), err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer c.SetInterrupt(c.SetInterrupt(ctx.Done()))
	return sqlitex.ImmediateTransaction(c)
}

// read runs f in a transaction, so that all its queries see the same state.
func (s *Store) read(ctx context.Context, p *sqlitex.Pool, f func(*sqlite.Conn) error) error {
	return s.with(ctx, p, func(c *sqlite.Conn) (err error) {
		defer sqlitex.Transaction(c)(&err)
		return f(c)
	})
}

func (s *Store) with(ctx context.Context, p *sqlitex.Pool, f func(*sqlite.Conn) error) error {
	// A connection looks at its context only now and then.
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.begin() {
		return errClosed
	}
	defer s.calls.Done()
	c, err := p.Take(ctx)
	if err != nil {
		// A connection that is being made is interrupted by the context, too.
		if cause := ctx.Err(); cause != nil {
			return cause
		}
		return typed(err)
	}
	defer p.Put(c)
	if err := f(c); err != nil {
		if cause := ctx.Err(); cause != nil && interrupted(err) {
			return cause
		}
		return typed(err)
	}
	return nil
}

// interrupted tells whether an error says that a statement was given up, while it ran or while it waited.
func interrupted(err error) bool {
	code := sqlite.ErrCode(err).ToPrimary()
	return code == sqlite.ResultInterrupt || code == sqlite.ResultBusy
}

func (s *Store) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.calls.Add(1)
	}
	return !s.closed
}

// typed gives an error of SQLite the type that callers of any adapter know.
func typed(err error) error {
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultFull:
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case sqlite.ResultBusy, sqlite.ResultInterrupt, sqlite.ResultIOErr, sqlite.ResultCantOpen, sqlite.ResultReadOnly:
		return fmt.Errorf("%w: %w", store.ErrFile, err)
	}
	return err
}
