// Package backup writes a database to a file that any adapter of package store can be filled from.
//
// The file is a gzip stream of JSON texts, one a line: a header, the rows as arrays that begin with the table, and the number of rows.
// Bytes are written in base64. A file that was cut short has no number and is refused.
package backup

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
)

// Format is the version of the format that is written, and the newest that is read.
//
// Rows of format 1 lack the columns that history has got since, at their ends: what these mean by zero is that nothing was noted.
const Format = 2

// maxLine bounds a row in bytes. A report may have twenty thousand peers.
const maxLine = 64 << 20

// header is the first line.
type header struct {
	Format int       `json:"xmppgraph_backup"`
	At     time.Time `json:"at"`
}

// footer is the last line.
type footer struct {
	Rows int `json:"rows"`
}

// ErrFile says that a file is no backup, or a damaged one.
var ErrFile = errors.New("not a whole backup")

// Write writes a backup and returns the number of rows.
func Write(ctx context.Context, w io.Writer, db store.Copier, at time.Time) (n int, err error) {
	z := gzip.NewWriter(w)
	enc := json.NewEncoder(z)
	if err := enc.Encode(header{Format, at.UTC()}); err != nil {
		return 0, err
	}
	err = db.Dump(ctx, func(row store.Row) error {
		n++
		return enc.Encode(append([]any{row.Table}, row.Values...))
	})
	if err != nil {
		return 0, err
	}
	if err := enc.Encode(footer{n}); err != nil {
		return 0, err
	}
	return n, z.Close()
}

// Read fills a database from a backup and returns the number of rows.
func Read(ctx context.Context, r io.Reader, db store.Copier) (n int, err error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return 0, fmt.Errorf("%w: %v", ErrFile, err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, maxLine)
	format, err := readHeader(lines)
	if err != nil {
		return 0, err
	}
	err = db.Fill(ctx, rows(lines, format, &n))
	if err != nil {
		return 0, err
	}
	return n, nil
}

func readHeader(lines *bufio.Scanner) (format int, err error) {
	var h header
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &h) != nil || h.Format < 1 {
		return 0, fmt.Errorf("%w: it does not begin like one", ErrFile)
	}
	if h.Format > Format {
		return 0, fmt.Errorf("the backup has format %d and this program knows those up to %d: use a newer program", h.Format, Format)
	}
	return h.Format, nil
}

// rows yields the rows up to the footer, which must fit.
func rows(lines *bufio.Scanner, format int, n *int) iter.Seq2[store.Row, error] {
	tables := make(map[string]shape)
	for _, t := range adapter.Tables {
		s := shape{kinds: t.Kinds()}
		if s.least = len(s.kinds); format < 2 {
			s.least -= t.Later
		}
		tables[t.Name] = s
	}
	return func(yield func(store.Row, error) bool) {
		for lines.Scan() {
			line := lines.Bytes()
			if len(line) > 0 && line[0] == '{' {
				var f footer
				if err := json.Unmarshal(line, &f); err != nil || f.Rows != *n || lines.Scan() || lines.Err() != nil {
					yield(store.Row{}, fmt.Errorf("%w: its end does not fit", ErrFile))
				}
				return
			}
			row, err := parse(line, tables)
			if err != nil {
				yield(store.Row{}, fmt.Errorf("%w: row %d: %v", ErrFile, *n+1, err))
				return
			}
			if *n++; !yield(row, nil) {
				return
			}
		}
		yield(store.Row{}, fmt.Errorf("%w: it is cut short", ErrFile))
	}
}

// shape is what rows of a table are like: of these kinds, and not fewer than least.
type shape struct {
	kinds []adapter.Kind
	least int
}

func parse(line []byte, tables map[string]shape) (row store.Row, err error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil || len(raw) == 0 {
		return row, errors.New("no array")
	}
	if err := json.Unmarshal(raw[0], &row.Table); err != nil {
		return row, err
	}
	s, ok := tables[row.Table]
	given := len(raw) - 1
	if !ok || given > len(s.kinds) || given < s.least {
		return row, fmt.Errorf("table %q with %d values", row.Table, given)
	}
	for i, k := range s.kinds {
		if i >= given {
			row.Values = append(row.Values, zero(k))
			continue
		}
		v, err := value(raw[i+1], k)
		if err != nil {
			return row, err
		}
		row.Values = append(row.Values, v)
	}
	return row, nil
}

// zero is the value that an older row stands for where it has none.
func zero(k adapter.Kind) any {
	switch k {
	case adapter.Int:
		return int64(0)
	case adapter.Bool:
		return false
	case adapter.Text:
		return ""
	}
	return []byte(nil)
}

func value(raw json.RawMessage, k adapter.Kind) (any, error) {
	switch k {
	case adapter.Int:
		return as[int64](raw)
	case adapter.Bool:
		return as[bool](raw)
	case adapter.Text:
		return as[string](raw)
	}
	return as[[]byte](raw)
}

func as[T any](raw json.RawMessage) (any, error) {
	var v T
	err := json.Unmarshal(raw, &v)
	return v, err
}
