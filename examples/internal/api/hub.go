package api

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
)

const (
	// look is how often the hub looks for a new edition while somebody listens. That costs next to nothing where there is none.
	look = 50 * time.Millisecond
	// heartbeat is how often something is sent even if nothing happens, so that both ends notice a dead connection.
	heartbeat = 15 * time.Second
	// queue is how many messages a client may lag behind before it is cut off.
	queue = 8
	// writeTime bounds each write to a client.
	writeTime = 10 * time.Second
)

// message is a whole message of an event stream (HTML standard §9.2.6), encoded once for all clients.
type message []byte

// frame makes a message. The data has no line end in it.
func frame(id, event string, data []byte) message {
	var b message
	if id != "" {
		b = append(b, "id: "+id+"\n"...)
	}
	b = append(b, "event: "+event+"\ndata: "...)
	b = append(b, data...)
	return append(b, '\n', '\n')
}

// client is somebody who listens. What it is to be told waits until its connection, or the channel of its handler, is there.
type client struct {
	addr    netip.Addr
	waiting []message
	// in is for a client whose handler sends, nil for others. It is closed when the client is cut off.
	in chan message
	// conn is for a client whose handler has ended, nil for others. While busy, somebody writes to it.
	conn net.Conn
	busy bool
}

// hub tells all clients what changes. It works only while there are any.
type hub struct {
	s *Server

	mu      sync.Mutex
	clients map[*client]struct{}
	each    map[netip.Addr]int
	last    *edition.Edition // what the clients know
	working bool             // whether run runs
	cut     uint64
	ready   []*client // those that writers are to write to
	writers int
}

func newHub(s *Server) *hub {
	return &hub{s: s, clients: make(map[*client]struct{}), each: make(map[netip.Addr]int)}
}

var (
	fullStreams = problem{Status: http.StatusServiceUnavailable, Detail: "too many listen already", retry: time.Minute}
	tooManyEach = problem{Status: http.StatusTooManyRequests, Detail: "too many event streams to one address", retry: time.Minute}
)

// join adds a client and returns what it has to be told first: which version there is, and how that came from the one that it knows.
func (h *hub) join(addr netip.Addr, lastID string) (*client, []message, error) {
	// Before the lock, because it may take its time.
	ed := h.s.press.Current()
	_, _ = ed.Layout(h.s.life)
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.s.o.Limits
	switch {
	case h.s.life.Err() != nil || l.Streams >= 0 && len(h.clients) >= l.Streams:
		return nil, nil, fullStreams
	case l.StreamsEach >= 0 && h.each[addr] >= l.StreamsEach:
		return nil, nil, tooManyEach
	}
	c := &client{addr: addr}
	if !h.working {
		h.working, h.last = true, ed
		h.s.running.Go(h.run)
	}
	h.clients[c] = struct{}{}
	h.each[addr]++
	return c, h.welcome(lastID), nil
}

func (h *hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(c)
}

// drop takes a client out, once.
func (h *hub) drop(c *client) {
	if _, ok := h.clients[c]; !ok {
		return
	}
	delete(h.clients, c)
	c.waiting = nil
	if c.in != nil {
		close(c.in)
	}
	if c.conn != nil {
		_ = c.conn.Close()
	}
	if h.each[c.addr]--; h.each[c.addr] == 0 {
		delete(h.each, c.addr)
	}
}

// welcome tells a client the version that it gets changes to from now on.
func (h *hub) welcome(lastID string) []message {
	snap := h.last.Snapshot()
	hello := []byte(`{"version":` + strconv.FormatUint(snap.Version(), 10) + `,"at":"` + snap.At().UTC().Format(time.RFC3339) + `"}`)
	first := frame(h.id(h.last), "hello", hello)
	if lastID == "" || lastID == h.id(h.last) {
		return []message{first}
	}
	// The client must not take the new version for its own before it has the changes that lead there.
	first = frame("", "hello", hello)
	old, ok := h.remembered(lastID)
	if !ok {
		return []message{first, frame(h.id(h.last), "reset", []byte("{}"))}
	}
	return []message{first, h.change(old, h.last)}
}

// remembered returns the edition that an ID stands for.
func (h *hub) remembered(id string) (*edition.Edition, bool) {
	epoch, version, _ := strings.Cut(id, "-")
	v, err := strconv.ParseUint(version, 10, 64)
	if err != nil || epoch != h.s.press.Epoch() || v > h.last.Version() {
		return nil, false
	}
	return h.s.press.Version(v)
}

func (h *hub) id(ed *edition.Edition) string {
	return h.s.press.Epoch() + "-" + strconv.FormatUint(ed.Version(), 10)
}

// beat shows that the connection lives. It is no event, but moves what the client will ask for after a break on to what is still remembered then.
func (h *hub) beat(ed *edition.Edition) message { return message("id: " + h.id(ed) + "\n\n") }

func (h *hub) change(from, to *edition.Edition) message {
	return frame(h.id(to), "changes", encodeChanges(newChanges(from, to, to.Placed())))
}

// run tells of changes until nobody listens any more.
func (h *hub) run() {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-h.s.life.Done():
			h.end()
			return
		}
		if !h.turn(n%int(heartbeat/look) == 0) {
			return
		}
	}
}

// turn looks for a new edition and returns false when nobody listens.
func (h *hub) turn(alive bool) bool {
	ed := h.s.press.Current()
	h.mu.Lock()
	old, n := h.last, len(h.clients)
	h.working = n > 0
	h.mu.Unlock()
	if n == 0 {
		return false
	}
	if ed == old {
		if alive {
			h.broadcast(ed, h.beat(ed))
		}
		return true
	}
	if _, err := ed.Layout(h.s.life); err != nil {
		return true
	}
	c := newChanges(old, ed, ed.Placed())
	if len(c.Events) == 0 && len(c.Moved) == 0 {
		// Only times have changed.
		h.advance(ed)
		return true
	}
	h.broadcast(ed, frame(h.id(ed), "changes", encodeChanges(c)))
	return true
}

func (h *hub) advance(ed *edition.Edition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = ed
}

// broadcast hands a message to all clients, and cuts off those that don't keep up.
func (h *hub) broadcast(ed *edition.Edition, m message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = ed
	for c := range h.clients {
		if !h.deliver(c, m) {
			h.cut++
			h.drop(c)
		}
	}
}

// deliver lets a client have a message, and returns false if it lags behind by too many.
func (h *hub) deliver(c *client, m message) bool {
	if c.in != nil {
		select {
		case c.in <- m:
			return true
		default:
			return false
		}
	}
	if len(c.waiting) == queue {
		return false
	}
	c.waiting = append(c.waiting, m)
	h.wake(c)
	return true
}

// end cuts off everybody.
func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		h.drop(c)
	}
	h.working = false
}

// numbers returns how many listen, and how many were cut off because they were slow.
func (h *hub) numbers() (listening int, cut uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients), h.cut
}
