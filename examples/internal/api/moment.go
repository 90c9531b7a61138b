package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
)

const (
	// maxMoments bounds the moments of the past that are kept.
	maxMoments = 16
	// momentLife is how long one is kept, not longer because names go from the past, too, when their verdict ends.
	momentLife = 2 * time.Second
)

// moments keeps what visitors see of the past while they move a slider.
// It makes one at a time, because each costs a query and a layout.
type moments struct {
	mu  sync.Mutex
	all []moment // the oldest first
}

type moment struct {
	at   time.Time
	made time.Time
	ed   *edition.Edition
}

// edition returns the network as it was at a time.
func (m *moments) edition(ctx context.Context, s *Server, at time.Time) (*edition.Edition, error) {
	if s.o.History == nil {
		return nil, noHistory
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := s.o.Now()
	if ed := m.find(at, now); ed != nil {
		return ed, nil
	}
	past, err := s.o.History.Moment(ctx, at)
	if err != nil {
		return nil, historyError(err)
	}
	ed := s.press.Past(past.Snapshot())
	if len(m.all) >= maxMoments {
		m.all = m.all[1:]
	}
	m.all = append(m.all, moment{at, now, ed})
	return ed, nil
}

// find looks for a moment, and drops those that are too old.
func (m *moments) find(at, now time.Time) *edition.Edition {
	for len(m.all) > 0 && now.Sub(m.all[0].made) >= momentLife {
		m.all = m.all[1:]
	}
	for _, one := range m.all {
		if one.at.Equal(at) {
			return one.ed
		}
	}
	return nil
}

var noHistory = problem{Status: http.StatusNotFound, Detail: "no history is kept here"}

// historyError says what a visitor may know of a database's error.
func historyError(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return problem{Status: http.StatusNotFound, Detail: "nothing was observed then"}
	case errors.Is(err, store.ErrUnavailable):
		return problem{Status: http.StatusServiceUnavailable, Detail: "the history can't be read at present", retry: 10 * time.Second}
	}
	return err
}
