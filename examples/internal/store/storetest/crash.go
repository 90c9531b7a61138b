package storetest

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// inStep is how many domains each batch of a [Write] changes, all of them or none.
const inStep = 20

// Write writes batches to a store until it is killed, each with the next number, and says so on ack once the store has acknowledged it.
// It is what the subprocess of [Crash] does.
func Write(ctx context.Context, s store.Store, ack io.Writer) error {
	first := 1
	for rec, err := range s.Load(ctx) {
		if err != nil {
			return err
		}
		first = max(first, rec.Failures+1)
	}
	for n := first; ; n++ {
		if err := s.Save(ctx, crawl.Batch{Records: numbered(n)}); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(ack, n); err != nil {
			return err
		}
		if n%3 == 0 {
			// In pieces, so that it may well die between two of them.
			pieces := adapter.InPieces(ctx, 8, func() error { return nil })
			if err := s.Observe(pieces, observed(n)); err != nil {
				return err
			}
		}
	}
}

// observed is the network when the batch of a number had been saved: two that never change, and others that do.
func observed(n int) *graph.Snapshot {
	reports := []string{"step0.test step1.test"}
	for i := 2; i < inStep-1; i++ {
		if (n/3+i)%3 != 0 {
			reports = append(reports, fmt.Sprintf("step%d.test step%d.test +%d", i, i+1, n%50))
		}
	}
	return snapshot(start.Add(time.Duration(n)*time.Second), reports...)
}

// numbered is a batch: domains that each batch changes, and one of its own.
func numbered(n int) (all []crawl.Record) {
	one := func(domain string) {
		r := named(domain, start.Add(24*365*time.Hour), "peer.test")
		r.Failures, r.Report.Unnamed = n, n
		r.Report.Software = strings.Repeat("x", 3000+n%100)
		binary.BigEndian.PutUint64(r.Hash[:], uint64(n))
		all = append(all, r)
	}
	for i := range inStep {
		one(fmt.Sprintf("step%d.test", i))
	}
	one(fmt.Sprintf("own%d.test", n))
	return all
}

// Crash kills a process that writes, again and again, and checks each time that nothing is lost that was acknowledged.
// Command returns one that calls [Write] with its standard output.
func Crash(t *testing.T, rounds int, command func() *exec.Cmd, open func(t *testing.T) store.Store) {
	CrashBy(t, rounds, command, func(cmd *exec.Cmd) { _ = cmd.Process.Kill() }, open)
}

// CrashBy is [Crash] with another way to make the process end, such as by the death of a server.
func CrashBy(t *testing.T, rounds int, command func() *exec.Cmd, end func(*exec.Cmd), open func(t *testing.T) store.Store) {
	random := rand.New(rand.NewPCG(485, uint64(rounds)))
	acked := 0
	for range rounds {
		acked = killed(t, command(), end, 1+random.IntN(6), time.Duration(random.IntN(2000))*time.Microsecond)
		s := open(t)
		check(t, s, acked)
		require.NoError(t, s.Close())
	}
	require.GreaterOrEqual(t, acked, rounds)
}

// killed runs a writer, ends it some time after it has acknowledged a number of batches, and returns the last number acknowledged.
func killed(t *testing.T, cmd *exec.Cmd, end func(*exec.Cmd), batches int, later time.Duration) (acked int) {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	var now <-chan time.Time
	ended := false
	for n := 1; ; {
		select {
		case line, ok := <-lines:
			if !ok {
				require.Error(t, cmd.Wait())
				require.True(t, ended, "it ended by itself: %s", stderr.String())
				return acked
			}
			if acked, err = strconv.Atoi(line); err != nil {
				t.Errorf("the writer says %q", line)
			}
			if n++; n > batches && now == nil {
				// Not to wait for anything, but to die at any point of the next batch.
				now = time.After(later)
			}
		case <-now:
			end(cmd)
			ended = true
		}
	}
}

// check checks that the batch that was acknowledged last is there, or the next one, whole, and all those before.
func check(t *testing.T, s store.Store, acked int) {
	t.Helper()
	all := make(map[string]crawl.Record)
	for rec, err := range s.Load(t.Context()) {
		require.NoError(t, err)
		all[rec.Domain.String()] = rec
	}
	last := all["step0.test"].Failures
	require.Contains(t, []int{acked, acked + 1}, last)
	require.Len(t, all, inStep+last)
	for n := 1; n <= last; n++ {
		require.Equal(t, numbered(n)[inStep], all[fmt.Sprintf("own%d.test", n)])
	}
	for _, want := range numbered(last)[:inStep] {
		require.Equal(t, want, all[want.Domain.String()])
	}
	for r, err := range s.Live(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, []graph.Peer{}, r.Peers)
	}
	if m, err := s.Moment(t.Context(), start.Add(24*time.Hour)); !errors.Is(err, store.ErrNotFound) {
		require.NoError(t, err)
		requireWhole(t, m)
	}
	if last > 3 {
		past, err := s.Past(t.Context(), xep.MustName("step0.test"))
		require.NoError(t, err)
		require.Len(t, past.Seen, 1)
		require.Len(t, past.Links, 1)
	}
}

// requireWhole checks that a moment is all of what was observed then.
func requireWhole(t *testing.T, m *store.Moment) {
	t.Helper()
	want := observed(int(m.At.Sub(start) / time.Second))
	require.Equal(t, want.Counts(), m.Counts)
	require.Equal(t, want.Len(), len(m.Domains))
	for i, d := range m.Domains {
		require.Equal(t, want.NameAt(i), d.Name)
		require.Equal(t, want.ReportingAt(i), d.Reporting)
	}
	require.Equal(t, want.Counts().Links, len(m.Links))
	for _, l := range m.Links {
		_, there := want.Link(l.A, l.B)
		require.True(t, there)
	}
}
