package providers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/xep"
)

// state is the last good list, as it is kept.
type state struct {
	// Location is where the list is from: one from elsewhere is none.
	Location string `json:"location"`
	// ETag is what the server called it.
	ETag string `json:"etag,omitempty"`
	// Checked is when it was last found to be up to date.
	Checked time.Time `json:"checked"`
	Names   []string  `json:"names"`

	skipped int
}

func (s *state) same(other *state) bool { return slices.Equal(s.Names, other.Names) }

// restore puts the list that was kept to use. That there is none is no error.
func (l *List) restore(ctx context.Context) error {
	b, where, err := l.kept(ctx)
	if err != nil || b == nil {
		return err
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	if s.Location != l.Location {
		return nil
	}
	names := make([]xep.Name, 0, len(s.Names))
	for _, name := range s.Names {
		n, err := xep.ParseName(name)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		names = append(names, n)
	}
	if len(names) == 0 {
		return nil
	}
	l.state = s
	l.names.Replace(names)
	return nil
}

// kept returns the list that was kept and where that was, nil if there is none.
func (l *List) kept(ctx context.Context) (b []byte, where string, err error) {
	switch {
	case !l.isURL():
	case l.Cache != nil:
		var c store.Cached
		c, err = l.Cache.Cached(ctx, l.key())
		b, where = c.Body, "the database"
	case l.StateFile != "":
		b, err = readFile(l.StateFile, 2*maxBytes)
		where = l.StateFile
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, store.ErrNotFound) {
		return nil, "", nil
	}
	return b, where, err
}

// key tells the documents of different lists apart.
func (l *List) key() string { return "providers/" + l.Location }

// keep writes the list, whole or not at all.
func (l *List) keep(ctx context.Context) error {
	if !l.isURL() || l.Cache == nil && l.StateFile == "" {
		return nil
	}
	b, err := json.Marshal(&l.state)
	if err != nil {
		return err
	}
	if l.Cache != nil {
		return l.Cache.Cache(ctx, store.Cached{Key: l.key(), ETag: l.state.ETag, Fetched: l.state.Checked, Body: b})
	}
	return l.write(b)
}

func (l *List) write(b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(l.StateFile), filepath.Base(l.StateFile)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // which fails once it was renamed
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), l.StateFile)
}
