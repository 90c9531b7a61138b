package connect_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/ping"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// TestManyDomains asks ten thousand domains through one session while one in twenty is hostile in all ways at once: every
// honest answer arrives, and at the one who asked.
func TestManyDomains(t *testing.T) {
	const domains, every, workers = 10_000, 20, 256
	if testing.Short() {
		t.Skip("ten thousand domains")
	}
	var all testserver.Fault
	for _, f := range testserver.Faults() {
		all |= f
	}
	srv := testserver.Start(t, testserver.Config{})
	names := make([]string, domains)
	for i := range domains {
		names[i] = fmt.Sprintf("d%d.example", i)
		d := testserver.Domain{Name: names[i], Contacts: map[string][]string{"admin-addresses": {names[i]}}}
		if i%every == 0 {
			d.Fault = all &^ testserver.SessionFaults
			d.Options = testserver.FaultOptions{Bytes: 2 << 20, Depth: 10_000, Delay: time.Millisecond}
		}
		srv.AddDomain(d)
	}
	cfg := componentConfig(srv)
	cfg.Handler = mux.New(component.NSAccept, ping.Handle())
	s := open(t, connect.Component, cfg)

	var next, answered atomic.Int64
	var wg sync.WaitGroup
	var peak atomic.Uint64
	for range workers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= domains {
					return
				}
				err := askOne(s, names[i])
				switch {
				case i%every == 0:
				case err != nil:
					t.Errorf("%s: %v", names[i], err)
				default:
					answered.Add(1)
				}
				if i%500 == 0 {
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					for {
						old := peak.Load()
						if m.HeapAlloc <= old || peak.CompareAndSwap(old, m.HeapAlloc) {
							break
						}
					}
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, domains-domains/every, answered.Load())
	c := s.Counters()
	require.EqualValues(t, 1, c.Connects)
	require.Zero(t, c.Losses)
	require.Less(t, peak.Load(), uint64(256<<20))
	t.Logf("counters %+v, heap at most %d MB", c, peak.Load()>>20)
}

// askOne checks that the answer is the domain's own.
func askOne(s *connect.Session, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	info, err := disco.GetInfo(ctx, s, jid.MustParse(name), "")
	if err != nil {
		return err
	}
	for _, form := range info.Forms {
		if slices.Contains(form.Values("admin-addresses"), name) {
			return nil
		}
	}
	return errors.New("answer of another domain")
}
