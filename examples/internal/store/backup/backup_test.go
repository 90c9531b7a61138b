package backup_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/backup"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/sqlite"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/storetest"
	"github.com/xmppgraph/xmppgraph/graph"
)

func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func open(t *testing.T) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), sqlite.Options{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestRoundTrip(t *testing.T) {
	a, b := open(t), open(t)
	storetest.Populate(t, a, graph.Options{Now: now})
	var file bytes.Buffer
	n, err := backup.Write(t.Context(), &file, a, now())
	require.NoError(t, err)
	m, err := backup.Read(t.Context(), bytes.NewReader(file.Bytes()), b)
	require.NoError(t, err)
	require.Equal(t, n, m)
	require.Equal(t, storetest.Rows(t, a), storetest.Rows(t, b))
	_, err = backup.Read(t.Context(), bytes.NewReader(file.Bytes()), b)
	require.ErrorIs(t, err, store.ErrNotEmpty)
}

func packed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.Bytes()
}

// Whatever is wrong with a file, the database stays empty.
func TestDamaged(t *testing.T) {
	const head = `{"xmppgraph_backup":1,"at":"2026-03-01T12:00:00Z"}` + "\n"
	const row = `["exclusions","a.test",1,""]` + "\n"
	const two = `{"xmppgraph_backup":2}` + "\n"
	const seen = `["domains","a.test",1,1,1,1,0,false,true,1,"","",false,false,0,null,1]` + "\n" + `["seen_domains","a.test",1,2]` + "\n"
	for name, file := range map[string][]byte{
		"nothing":         nil,
		"no gzip":         []byte("hello"),
		"no header":       packed(row),
		"a newer format":  packed(`{"xmppgraph_backup":3}` + "\n"),
		"no end":          packed(head + row),
		"a wrong number":  packed(head + row + `{"rows":2}`),
		"more after it":   packed(head + row + `{"rows":1}` + "\n" + row),
		"another table":   packed(head + `["secrets","x"]` + "\n" + `{"rows":1}`),
		"a value short":   packed(head + `["exclusions","a.test",1]` + "\n" + `{"rows":1}`),
		"a new one short": packed(two + seen + `{"rows":2}`),
		"a wrong type":    packed(head + `["exclusions","a.test","1",""]` + "\n" + `{"rows":1}`),
		"no array":        packed(head + `7` + "\n" + `{"rows":1}`),
		"twice the same":  packed(head + row + row + `{"rows":2}`),
		"cut":             packed(head + row + `{"rows":1}`)[:60],
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			_, err := backup.Read(t.Context(), bytes.NewReader(file), s)
			require.Error(t, err)
			require.Empty(t, storetest.Rows(t, s))
		})
	}
	s := open(t)
	n, err := backup.Read(t.Context(), bytes.NewReader(packed(head+row+`{"rows":1}`)), s)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// A backup from before history noted states, and who claims a link, is filled in with what stands for not knowing.
func TestFirstFormat(t *testing.T) {
	s := open(t)
	domain := func(name string) string {
		return `["domains","` + name + `",1,1,1,1,0,false,true,1,"","",false,false,0,null,1]` + "\n"
	}
	n, err := backup.Read(t.Context(), bytes.NewReader(packed(`{"xmppgraph_backup":1}`+"\n"+domain("a.test")+domain("b.test")+
		`["seen_domains","a.test",1,2]`+"\n"+`["seen_links","a.test","b.test",1,2]`+"\n"+`{"rows":4}`)), s)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	rows := storetest.Rows(t, s)
	require.Contains(t, rows, `["seen_domains","a.test",1,2,false,0,false]`)
	require.Contains(t, rows, `["seen_links","a.test","b.test",1,2,0,false]`)
}

// drain takes rows as a database does that has no rules.
type drain struct{ n int }

func (d *drain) Dump(context.Context, func(store.Row) error) error { return nil }

func (d *drain) Fill(_ context.Context, rows iter.Seq2[store.Row, error]) error {
	for _, err := range rows {
		if err != nil {
			return err
		}
		d.n++
	}
	return nil
}

func FuzzRead(f *testing.F) {
	f.Add(`{"xmppgraph_backup":1}` + "\n" + `["exclusions","a.test",1,""]` + "\n" + `{"rows":1}`)
	f.Add(`{"xmppgraph_backup":1}` + "\n" + `["documents","k","AA==",1,null]` + "\n" + `{"rows":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		d := new(drain)
		n, err := backup.Read(t.Context(), bytes.NewReader(packed(text)), d)
		if err == nil {
			require.Equal(t, d.n, n)
		}
	})
}
