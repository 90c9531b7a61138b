package testserver

import (
	"sync"
	"time"
)

// segment is a piece of what a connection has to write.
type segment struct {
	b      []byte
	shared bool          // b is not the outbox's own: neither appended to nor counted
	step   int           // bytes at a time, with pause
	pause  time.Duration // between steps
	kill   bool          // close the connection here
}

// outbox collects what a connection has to write. Small stanzas share a segment, large shared ones are not copied.
type outbox struct {
	mu      sync.Mutex
	changed sync.Cond
	segs    []segment
	spare   []byte
	size    int
	ready   bool // the writer may take
	closed  bool
}

func (o *outbox) init() { o.changed.L = &o.mu }

// add queues bytes, copied, and then special segments.
func (o *outbox) add(b []byte, special ...segment) {
	o.put(append([]segment{{b: b}}, special...)...)
}

// put queues pieces without anything between them. Plain ones are copied.
func (o *outbox) put(pieces ...segment) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	for _, p := range pieces {
		if p.shared || p.kill || p.pause > 0 {
			o.segs = append(o.segs, p)
		} else if len(p.b) > 0 {
			o.setTail(append(o.tail(), p.b...), len(p.b))
		}
	}
}

// tail returns the segment that small stanzas are appended to. The caller holds the lock, and gives it back with setTail.
func (o *outbox) tail() []byte {
	n := len(o.segs)
	if n == 0 || o.segs[n-1].shared || o.segs[n-1].kill || o.segs[n-1].pause > 0 {
		o.segs = append(o.segs, segment{b: o.spare[:0]})
		o.spare = nil
		n++
	}
	return o.segs[n-1].b
}

// setTail gives the extended tail back.
func (o *outbox) setTail(b []byte, added int) {
	o.segs[len(o.segs)-1].b = b
	o.size += added
}

// flush lets the writer take what is queued.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.segs) > 0 {
		o.ready = true
		o.changed.Broadcast()
	}
}

func (o *outbox) take() ([]segment, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.ready && !o.closed {
		o.changed.Wait()
	}
	if !o.ready {
		return nil, false
	}
	segs := o.segs
	o.segs, o.size, o.ready = nil, 0, false
	o.changed.Broadcast()
	return segs, true
}

func (o *outbox) recycle(segs []segment) {
	const keep = 256 << 10
	if len(segs) == 1 && !segs[0].shared && cap(segs[0].b) <= keep {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.spare = segs[0].b
	}
}

// drain waits until at most limit bytes are queued.
func (o *outbox) drain(limit int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.size > limit && !o.closed {
		o.changed.Wait()
	}
	if o.closed {
		return errKilled
	}
	return nil
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.changed.Broadcast()
}
