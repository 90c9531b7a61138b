package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/xep"
)

// visit is how a visit of a domain went, some minutes after the start.
func visit(domain string, minutes int) store.Visit {
	return store.Visit{Domain: xep.MustName(domain), At: at(minutes), Outcome: "report", Steps: []store.Step{
		{Name: "domain-info", Status: "ok", Asked: "disco#info of " + domain, Got: "3 features \x00 \U0001f310", Took: 84 * time.Millisecond},
		{Name: "fetch", Status: "failed", Asked: "the item", Got: "forbidden", Fix: "open the node"},
	}}
}

func (b *bed) note(all ...store.Visit) {
	b.t.Helper()
	require.NoError(b.t, b.Note(b.t.Context(), all...))
}

// told returns what is known of a domain's last visit, nil for nothing.
func (b *bed) told(domain string) *store.Visit {
	b.t.Helper()
	v, err := b.Visited(b.t.Context(), xep.MustName(domain))
	if err != nil {
		require.ErrorIs(b.t, err, store.ErrNotFound)
		return nil
	}
	return &v
}

func visits(t *testing.T, b *bed) {
	b.note()
	b.may("a.test", "b.test")
	require.Nil(t, b.told("a.test"))
	one, other := visit("a.test", 1), visit("b.test", 2)
	b.note(one, other)
	require.Equal(t, &one, b.told("a.test"))
	require.Equal(t, &other, b.told("b.test"))

	b.Store = b.reopen()
	newer, older := visit("a.test", 3), visit("a.test", 0)
	newer.Outcome, newer.Steps = "silent", []store.Step{}
	b.note(newer, older)
	require.Equal(t, &newer, b.told("a.test"), "the last one counts, in whatever order they come")
	b.note(older)
	require.Equal(t, &newer, b.told("a.test"))
	require.Equal(t, at(3), b.told("a.test").At)
}

func visitsOfOthers(t *testing.T, b *bed) {
	b.may("named.test", "out.test")
	b.save(unnamed("unnamed.test"))
	require.NoError(t, b.Exclude(t.Context(), store.Exclusion{Domain: xep.MustName("out.test")}))
	b.note(visit("named.test", 1), visit("unnamed.test", 1), visit("out.test", 1), visit("nobody.test", 1))
	require.NotNil(t, b.told("named.test"))
	for _, d := range []string{"unnamed.test", "out.test", "nobody.test"} {
		require.Nil(t, b.told(d), d)
	}
}

// What is told of a domain goes with its name, however that goes.
func visitsGo(t *testing.T, b *bed) {
	b.may("withdrawn.test", "excluded.test", "purged.test", "gone.test", "guest.test", "stays.test")
	lapsing := named("lapsing.test", at(30))
	b.save(lapsing)
	guest := visit("guest.test", 1)
	guest.Steps[0].Got = "pubsub.purged.test"
	b.note(visit("withdrawn.test", 1), visit("excluded.test", 1), visit("purged.test", 1), visit("gone.test", 1), guest, visit("stays.test", 1), visit("lapsing.test", 1))
	for _, d := range []string{"withdrawn.test", "excluded.test", "purged.test", "gone.test", "guest.test", "lapsing.test"} {
		require.NotNil(t, b.told(d), d)
	}
	b.save(unnamed("withdrawn.test"))
	require.NoError(t, b.Save(t.Context(), crawl.Batch{Gone: names("gone.test")}))
	require.NoError(t, b.Exclude(t.Context(), store.Exclusion{Domain: xep.MustName("excluded.test")}))
	require.Nil(t, b.told("excluded.test"), "at once")
	_, err := b.Purge(t.Context(), xep.MustName("purged.test"))
	require.NoError(t, err)
	b.set(at(30))
	b.sweep(store.Retention{Lapsed: time.Hour})
	require.NoError(t, b.Readmit(t.Context(), names("excluded.test")...))
	for _, d := range []string{"withdrawn.test", "excluded.test", "purged.test", "gone.test", "guest.test", "lapsing.test"} {
		require.Nil(t, b.told(d), d)
	}
	require.NotNil(t, b.told("stays.test"))
}

// Of a visit that says too much the end is missing, so that nobody can fill the database.
func visitsAreBounded(t *testing.T, b *bed) {
	b.may("a.test")
	v := visit("a.test", 1)
	for range 1000 {
		v.Steps = append(v.Steps, store.Step{Name: "service-info", Got: strings.Repeat("x", 100)})
	}
	b.note(v)
	got := b.told("a.test")
	require.Less(t, len(got.Steps), 200)
	require.Equal(t, v.Steps[:len(got.Steps)], got.Steps)
	require.NotEmpty(t, got.Steps)
	v.Steps, v.Outcome = nil, strings.Repeat("x", 100)
	b.note(v)
	require.Equal(t, v.Outcome, b.told("a.test").Outcome)
}
