package providers

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

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
func (l *List) restore() error {
	if l.StateFile == "" || !l.isURL() {
		return nil
	}
	b, err := readFile(l.StateFile, 2*maxBytes)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("%s: %w", l.StateFile, err)
	}
	if s.Location != l.Location {
		return nil
	}
	names := make([]xep.Name, 0, len(s.Names))
	for _, name := range s.Names {
		n, err := xep.ParseName(name)
		if err != nil {
			return fmt.Errorf("%s: %w", l.StateFile, err)
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

// keep writes the list, whole or not at all.
func (l *List) keep() error {
	if l.StateFile == "" || !l.isURL() {
		return nil
	}
	b, err := json.Marshal(&l.state)
	if err != nil {
		return err
	}
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
