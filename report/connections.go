package report

import (
	"context"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/xmppgraph/xmppgraph/xep"
)

// shards is how many locks the registry spreads its connections over. It is a power of two.
const shards = 64

// Connections is a registry that a server feeds with the streams that it opens and accepts. It is a [Source].
//
// The zero value is empty and ready. It is safe for concurrent use by any number of goroutines, and must not be copied.
type Connections struct {
	shards [shards]shard
}

type shard struct {
	mu     sync.Mutex
	counts map[streamKey]int
	// Neighbouring locks would share a cache line, and every processor would wait for all others.
	_ [40]byte
}

type streamKey struct {
	local, remote string
	direction     xep.Direction
}

var seed = maphash.MakeSeed()

// Opened notes that a stream between a local and a remote domain is up, and returns what is to be called when it is down.
// Calling that more than once does no harm.
//
// It must be called once the remote side has proved its name (SASL EXTERNAL or dialback), and not before.
// Each of several streams to the same domain counts, and one that carries stanzas both ways (XEP-0288) is [xep.Bidi].
// Names are compared in their canonical form.
func (c *Connections) Opened(local, remote string, direction xep.Direction) (closed func()) {
	key := streamKey{canonical(local), canonical(remote), direction}
	s := &c.shards[maphash.String(seed, key.remote)%shards]
	s.add(key, 1)
	var once atomic.Bool
	return func() {
		if once.CompareAndSwap(false, true) {
			s.add(key, -1)
		}
	}
}

// canonical is the name's canonical form, and for what is no name something that is the same every time.
// Such a peer exists and is counted, see [optin.Peer].
func canonical(name string) string {
	if n, err := xep.ParseName(name); err == nil {
		return n.String()
	}
	return strings.ToLower(name)
}

func (s *shard) add(key streamKey, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = make(map[streamKey]int)
	}
	if n += s.counts[key]; n > 0 {
		s.counts[key] = n
	} else {
		delete(s.counts, key)
	}
}

// Connections implements [Source]. It never fails.
func (c *Connections) Connections(context.Context) ([]Connection, error) {
	var all []Connection
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for key, n := range s.counts {
			for range n {
				all = append(all, Connection{Local: key.local, Remote: key.remote, Direction: key.direction})
			}
		}
		s.mu.Unlock()
	}
	return all, nil
}

// Len returns how many streams are up.
func (c *Connections) Len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, k := range s.counts {
			n += k
		}
		s.mu.Unlock()
	}
	return n
}
