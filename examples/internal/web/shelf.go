package web

import (
	"container/list"
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/limit"
)

const (
	// shelfBytes bounds the documents that a shelf keeps, some hundred cards.
	shelfBytes = 32 << 20
	// shelfQueue bounds those who wait for a place to draw.
	shelfQueue = 32
	// shelfEntry is about what a document takes besides its bytes.
	shelfEntry = 1 << 10
)

// errBusy says that too much is being drawn already.
var errBusy = errors.New("too much is being drawn at present")

// tooEarly is for how long an address that has had many pictures drawn has to wait for another one.
type tooEarly time.Duration

func (tooEarly) Error() string { return "too many pictures were drawn for one address" }

// drawn returns a document of the shelf, within the limits of who asks for it.
func (s *Server) drawn(r *http.Request, key string, draw func() (*edition.Document, error)) (*edition.Document, error) {
	may := func() error {
		if wait := s.drawers.Take(limit.Address(s.o.Client(r)).String()); wait > 0 {
			return tooEarly(wait)
		}
		return nil
	}
	return s.shelf.document(r.Context(), key, may, draw)
}

// shelf keeps documents that take time to make and of which visitors can ask for any number, such as a picture for each domain.
//
// What is asked for by several at a time is made once. Few are made at a time, few wait for that, and of those that are made the ones
// that nobody has asked for the longest make room for others.
type shelf struct {
	most  int           // bytes
	slots chan struct{} // one for each that may be made at a time
	queue chan struct{} // one for each that is made or waits to be

	mu    sync.Mutex
	used  int
	order *list.List // of *kept, the last to have been asked for in front
	docs  map[string]*list.Element
	under map[string]*making
}

// kept is a document on a shelf.
type kept struct {
	key  string
	doc  *edition.Document
	size int
}

// making is a document that is made at present.
type making struct {
	done chan struct{}
	doc  *edition.Document
	err  error
}

func newShelf() *shelf {
	// Half of the processors are left to the other visitors.
	at := max(1, runtime.GOMAXPROCS(0)/2)
	return &shelf{
		most: shelfBytes, slots: make(chan struct{}, at), queue: make(chan struct{}, at+shelfQueue),
		order: list.New(), docs: make(map[string]*list.Element), under: make(map[string]*making),
	}
}

// document returns the document with a key, which stands for everything that it shows. The error is errBusy where too many are being made,
// or that of may, which is asked before one is made.
//
// What is made for a visitor who leaves is made all the same, since others may wait for it; ctx ends the waiting for somebody else's.
func (s *shelf) document(ctx context.Context, key string, may func() error, draw func() (*edition.Document, error)) (*edition.Document, error) {
	s.mu.Lock()
	if e, ok := s.docs[key]; ok {
		s.order.MoveToFront(e)
		s.mu.Unlock()
		return e.Value.(*kept).doc, nil
	}
	if m, ok := s.under[key]; ok {
		s.mu.Unlock()
		select {
		case <-m.done:
			return m.doc, m.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := may(); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	select {
	case s.queue <- struct{}{}:
	default:
		s.mu.Unlock()
		return nil, errBusy
	}
	m := &making{done: make(chan struct{}), err: errBusy}
	s.under[key] = m
	s.mu.Unlock()
	s.make(key, m, draw)
	return m.doc, m.err
}

// make makes a document once there is a place, and tells those who wait for it.
func (s *shelf) make(key string, m *making, draw func() (*edition.Document, error)) {
	s.slots <- struct{}{}
	defer func() {
		<-s.slots
		<-s.queue
		s.mu.Lock()
		delete(s.under, key)
		if m.err == nil {
			s.keep(key, m.doc)
		}
		s.mu.Unlock()
		close(m.done)
	}()
	m.doc, m.err = draw()
}

// keep puts a document in front, and takes away from the back what there is no room for. What is too large for the shelf is not kept.
func (s *shelf) keep(key string, doc *edition.Document) {
	// A compressed form may come beside the plain one.
	size := len(key) + 2*len(doc.Bytes()) + shelfEntry
	if size > s.most {
		return
	}
	s.docs[key] = s.order.PushFront(&kept{key, doc, size})
	for s.used += size; s.used > s.most; {
		e := s.order.Back()
		k := s.order.Remove(e).(*kept)
		delete(s.docs, k.key)
		s.used -= k.size
	}
}

// failed answers where a picture could not be had.
func failed(w http.ResponseWriter, err error) {
	var early tooEarly
	if errors.As(err, &early) {
		w.Header().Set("Retry-After", strconv.Itoa(int((time.Duration(early)+time.Second-1)/time.Second)))
		http.Error(w, early.Error(), http.StatusTooManyRequests)
		return
	}
	if errors.Is(err, errBusy) {
		w.Header().Set("Retry-After", "5")
		http.Error(w, errBusy.Error(), http.StatusServiceUnavailable)
		return
	}
	http.Error(w, "the picture could not be drawn", http.StatusInternalServerError)
}
