package adapter

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// format is the first byte of an encoded report, so that another form can be told from this one.
const format = 1

// leastPeer is the size of the smallest encoded peer: one letter, its length, no time, no direction.
const leastPeer = 4

const allDirections = graph.In | graph.Out | graph.Bidi

// AppendReport appends a report without its domain in the form in which it is stored.
//
// JSON would be four times the size and take ten times as long to read, and a start has to read all of them.
func AppendReport(b []byte, r *graph.Report) []byte {
	b = append(b, format)
	at := Micros(r.At)
	b = binary.AppendVarint(b, at)
	b = appendTime(b, Micros(r.Until), at)
	b = binary.AppendVarint(b, int64(r.Unnamed))
	b = appendString(b, r.Software)
	b = appendString(b, r.Version)
	if r.Users == nil {
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(append(b, 1), *r.Users)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Peers)))
	for _, p := range r.Peers {
		b = appendString(b, p.Name.String())
		b = appendTime(b, Micros(p.Until), at)
		b = append(b, byte(p.Directions))
	}
	return b
}

// appendTime appends a time by its distance from another one, which is shorter.
func appendTime(b []byte, us, base int64) []byte {
	if us == 0 {
		return append(b, 0)
	}
	return binary.AppendVarint(append(b, 1), us-base)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// ParseReport is the inverse of [AppendReport]. The report keeps nothing of b. The words may be nil.
//
// The names share one copy of b: one allocation for all of them, and no map, which cost ten times as much as the rest of the decoding.
// So whoever keeps one name keeps as many bytes as the report has, or those that were read with it. A [graph.Graph] copies the names that it keeps.
func ParseReport(domain xep.Name, b []byte, w *Words) (*graph.Report, error) {
	if w == nil {
		w = new(Words)
	}
	return parseReport(domain, string(b), w, func(n uint64) []graph.Peer { return make([]graph.Peer, 0, n) })
}

// parseReport makes a report of b, whose peers lie where room says.
func parseReport(domain xep.Name, b string, w *Words, room func(n uint64) []graph.Peer) (*graph.Report, error) {
	d := decoder{b: b}
	r := &graph.Report{Domain: domain}
	if f := d.byte(); f != format && d.err == nil {
		d.fail(fmt.Errorf("format %d is not known", f))
	}
	at := d.varint()
	r.At, r.Until = Time(at), Time(d.time(at))
	r.Unnamed = int(d.varint())
	r.Software, r.Version = w.text(d.text()), w.text(d.text())
	if d.flag() {
		users := d.uvarint()
		r.Users = &users
	}
	if n := d.uvarint(); n > uint64(len(d.b)/leastPeer) {
		d.fail(fmt.Errorf("%d peers in %d bytes", n, len(d.b)))
	} else if n > 0 {
		r.Peers = room(n)
		for range n {
			r.Peers = append(r.Peers, d.peer(at))
		}
	}
	if len(d.b) > 0 {
		d.fail(fmt.Errorf("%d bytes too many", len(d.b)))
	}
	if d.err != nil {
		return nil, fmt.Errorf("store: stored report of %q: %v", domain, d.err)
	}
	return r, nil
}

var errShort = errors.New("cut short")

type decoder struct {
	b   string
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = ""
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail(errShort)
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) flag() bool {
	c := d.byte()
	if c > 1 {
		d.fail(fmt.Errorf("flag %d", c))
	}
	return c == 1
}

func (d *decoder) uvarint() uint64 {
	// It is what binary.Uvarint does, for a string.
	var v uint64
	for i := range min(len(d.b), binary.MaxVarintLen64) {
		c := d.b[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.b = d.b[i+1:]
			return v
		}
	}
	d.fail(errShort)
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) time(base int64) int64 {
	if !d.flag() {
		return 0
	}
	return base + d.varint()
}

// text returns a part of what is decoded.
func (d *decoder) text() string {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail(errShort)
		return ""
	}
	part := d.b[:n]
	d.b = d.b[n:]
	return part
}

func (d *decoder) peer(base int64) (p graph.Peer) {
	name := d.text()
	p.Until = Time(d.time(base))
	p.Directions = graph.Directions(d.byte())
	if d.err != nil {
		return p
	}
	if p.Directions&^allDirections != 0 {
		d.fail(fmt.Errorf("directions %d", p.Directions))
	}
	var err error
	if p.Name, err = Name(name); err != nil {
		d.fail(err)
	}
	return p
}
