// Package adapter holds what the adapters of package store have in common: how records become columns, and what changes between observations.
package adapter

import (
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Still is the end of an interval that is open.
const Still = math.MaxInt64

// Micros is a time as a column: microseconds since 1970, zero where there is none.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the inverse of [Micros].
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Row is a [crawl.Record] as columns, without the report itself.
type Row struct {
	Name                                       string
	Due, Added, Answered, Mentioned            int64
	Failures                                   int64
	GivenUp, Advertised, ByDefault, Subscribed bool
	Until                                      int64
	Service, Node                              string
	Reported                                   int64
	Hash                                       []byte // nil where it is zero
}

// RowOf returns the columns of a record.
func RowOf(r *crawl.Record) Row {
	row := Row{
		Name: r.Domain.String(), Due: Micros(r.Due), Added: Micros(r.Added), Answered: Micros(r.Answered), Mentioned: Micros(r.Mentioned),
		Failures: int64(r.Failures), GivenUp: r.GivenUp, Advertised: r.Advertised, ByDefault: r.Default, Subscribed: r.Subscribed,
		Until: Micros(r.Until), Service: r.Node.Service.String(), Node: r.Node.Node, Reported: Micros(r.Reported),
	}
	if r.Hash != ([sha256.Size]byte{}) {
		row.Hash = r.Hash[:]
	}
	return row
}

// Record is the inverse of [RowOf].
func (r *Row) Record() (crawl.Record, error) {
	name, err := Name(r.Name)
	if err != nil {
		return crawl.Record{}, err
	}
	rec := crawl.Record{
		Domain: name, Due: Time(r.Due), Added: Time(r.Added), Answered: Time(r.Answered), Mentioned: Time(r.Mentioned),
		Failures: int(r.Failures), GivenUp: r.GivenUp, Advertised: r.Advertised, Default: r.ByDefault, Subscribed: r.Subscribed,
		Until: Time(r.Until), Reported: Time(r.Reported),
	}
	rec.Node.Node = r.Node
	if r.Service != "" {
		if rec.Node.Service, err = service(r.Service); err != nil {
			return crawl.Record{}, fmt.Errorf("store: service %q of %q: %v", r.Service, r.Name, err)
		}
	}
	if len(r.Hash) != 0 && copy(rec.Hash[:], r.Hash) != len(rec.Hash) {
		return crawl.Record{}, fmt.Errorf("store: hash of %q has %d bytes", r.Name, len(r.Hash))
	}
	return rec, nil
}

// service parses an address. Nearly all are those of a host with a plain name, for which to parse it takes most of the time of a start.
func service(s string) (jid.JID, error) {
	if n, err := xep.ParseName(s); err == nil && n.String() == s && s[0] != '[' && !strings.Contains(s, "--") && n.Addressable() {
		return jid.NewUnsafe("", s, "").JID, nil
	}
	return jid.Parse(s)
}

// Name parses a name as this package writes them, which is in canonical form.
func Name(s string) (xep.Name, error) {
	n, err := xep.ParseName(s)
	if err == nil && n.String() != s {
		err = fmt.Errorf("%q is not in canonical form", s)
	}
	if err != nil {
		return xep.Name{}, fmt.Errorf("store: stored name: %v", err)
	}
	return n, nil
}
