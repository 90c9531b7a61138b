package export

import (
	"fmt"
	"io"

	"github.com/xmppgraph/xmppgraph/graph"
)

// Unnamed says how unnamed peers are written.
type Unnamed uint8

// The ways to write unnamed peers. A picture draws them in any case, unless the view is without them.
const (
	// AsUsual is what readers of the format expect: nodes for the old site's formats, counts for all others.
	AsUsual Unnamed = iota
	// AsCounts writes their number on the domain that reported them.
	AsCounts
	// AsNodes writes a node for each, or one for all those of a reporter where the view is [graph.Combined].
	AsNodes
)

// Places gives coordinates; a [github.com/xmppgraph/xmppgraph/graph/layout.Layout] does.
type Places interface {
	// Place returns the centre of the domain at an index of the snapshot and the radius of its disc, in any unit with y pointing down.
	Place(i int) (x, y, r float64)
	// Leaf returns the place of the k-th unnamed peer of that domain, counted from zero.
	Leaf(i, k int) (x, y float64)
}

// Options change what is written. The zero value is ready for use.
type Options struct {
	// Unnamed says how unnamed peers are written.
	Unnamed Unnamed
	// Places are the coordinates, made for the same snapshot; nil writes none, and has pictures make their own.
	Places Places
	// Picture configures formats that are pictures.
	Picture Picture
}

// Format is a way to write a snapshot.
type Format struct {
	// Name is the short name, unique and fit for a URL.
	Name string
	// Title is the name for people.
	Title string
	// MediaType is for a Content-Type field.
	MediaType string
	// Extension is the usual file ending without a dot.
	Extension string
	// Unnamed is what [AsUsual] means here.
	Unnamed Unnamed

	write func(*printer, *network) error
}

// Write writes a snapshot with the default options.
func (f *Format) Write(w io.Writer, s *graph.Snapshot) error {
	return f.WriteOptions(w, s, Options{})
}

// WriteOptions writes a snapshot. The error is the one of the writer.
func (f *Format) WriteOptions(w io.Writer, s *graph.Snapshot, o Options) error {
	if o.Unnamed == AsUsual {
		o.Unnamed = f.Unnamed
	}
	if o.Places != nil {
		o.Places = bounded{o.Places}
	}
	p := &printer{w: w, buf: make([]byte, 0, bufferSize)}
	n := &network{s: s, o: o, nodes: o.Unnamed == AsNodes}
	if err := f.write(p, n); err != nil {
		return fmt.Errorf("export: write %s: %w", f.Name, err)
	}
	p.flush()
	if p.err != nil {
		return fmt.Errorf("export: write %s: %w", f.Name, p.err)
	}
	return nil
}

// bounded keeps what isn't a usable coordinate out of everything that is reckoned from it.
type bounded struct{ Places }

func (b bounded) Place(i int) (x, y, r float64) {
	x, y, r = b.Places.Place(i)
	return bound(x), bound(y), max(bound(r), 0)
}

func (b bounded) Leaf(i, k int) (x, y float64) {
	x, y = b.Places.Leaf(i, k)
	return bound(x), bound(y)
}

// bound is zero for NaN, which compares with nothing.
func bound(v float64) float64 {
	const most = 1e7
	if v >= -most && v <= most {
		return v
	}
	return 0
}
