package adapter

import (
	"cmp"
	"fmt"
	"strings"
)

// Kind is the type of a value in a [store.Row].
type Kind byte

// The kinds of values.
const (
	Int   Kind = iota // int64
	Bool              // bool
	Text              // string
	Bytes             // []byte, nil for NULL
	// Raw is text of strangers that may hold any byte: []byte here, text in SQLite and bytea in PostgreSQL.
	Raw
)

// Column is a column of a table.
type Column struct {
	Name string
	Kind Kind
}

// Table is what a backup has of a table. Rows that belong to a domain begin with the names of their domains in place of the ids.
type Table struct {
	Name string
	// Refs are the columns that refer to domains.
	Refs []string
	// Columns are the others.
	Columns []Column
	// Later is how many of those at the end backups of the first format don't have.
	Later int
	// View has the rows that are copied, empty for all.
	View string
}

// Tables are all tables that hold anything for longer than a process lives, in the order in which they can be filled.
// How the last visits went is left out: the next ones tell it again.
var Tables = []Table{
	{"domains", nil, []Column{
		{"name", Text}, {"due", Int}, {"added", Int}, {"answered", Int}, {"mentioned", Int}, {"failures", Int}, {"given_up", Bool},
		{"advertised", Bool}, {"until", Int}, {"service", Text}, {"node", Raw}, {"by_default", Bool}, {"subscribed", Bool},
		{"reported", Int}, {"hash", Bytes}, {"consented", Int},
	}, 0, ""},
	{"reports", []string{"domain"}, []Column{{"hash", Bytes}, {"body", Bytes}}, 0, ""},
	{"observations", nil, []Column{
		{"at", Int}, {"domains", Int}, {"reporting", Int}, {"links", Int}, {"mutual", Int}, {"lapsed", Int}, {"unnamed", Int},
	}, 0, ""},
	{"seen_domains", []string{"domain"}, []Column{
		{"first", Int}, {"last", Int}, {"silent", Bool}, {"unnamed", Int}, {"continues", Bool},
	}, 3, "past_domains"},
	{"seen_links", []string{"a", "b"}, []Column{{"first", Int}, {"last", Int}, {"claims", Int}, {"continues", Bool}}, 2, "past_links"},
	{"exclusions", nil, []Column{{"name", Text}, {"since", Int}, {"reason", Text}}, 0, ""},
	{"documents", nil, []Column{{"key", Text}, {"etag", Raw}, {"fetched", Int}, {"body", Bytes}}, 0, ""},
}

// Kinds are those of the values of a row.
func (t *Table) Kinds() []Kind {
	var all []Kind
	for range t.Refs {
		all = append(all, Text)
	}
	for _, c := range t.Columns {
		all = append(all, c.Kind)
	}
	return all
}

// Select is the query for all rows; column writes a column of a kind as an expression.
func (t *Table) Select(column func(name string, k Kind) string) string {
	var exprs []string
	from := cmp.Or(t.View, t.Name) + " AS t"
	for i, r := range t.Refs {
		exprs = append(exprs, fmt.Sprintf("d%d.name", i))
		from += fmt.Sprintf(" JOIN domains AS d%[1]d ON d%[1]d.id = t.%[2]s", i, r)
	}
	for _, c := range t.Columns {
		exprs = append(exprs, column("t."+c.Name, c.Kind))
	}
	return "SELECT " + strings.Join(exprs, ", ") + " FROM " + from
}

// Insert is the statement for one row; argument writes the argument of that number, from 1, for a kind.
func (t *Table) Insert(argument func(n int, k Kind) string, least, greatest string) string {
	names, exprs := append([]string(nil), t.Refs...), []string(nil)
	from, where := "", ""
	for i := range t.Refs {
		ref := fmt.Sprintf("d%d.id", i)
		if len(t.Refs) == 2 {
			// The smaller id comes first, and ids are given anew.
			ref = []string{least, greatest}[i] + "(d0.id, d1.id)"
		}
		exprs = append(exprs, ref)
		from += fmt.Sprintf("%sdomains AS d%d", []string{" FROM ", ", "}[i], i)
		where += fmt.Sprintf("%sd%d.name = %s", []string{" WHERE ", " AND "}[i], i, argument(i+1, Text))
	}
	for i, c := range t.Columns {
		names = append(names, c.Name)
		exprs = append(exprs, argument(len(t.Refs)+i+1, c.Kind))
	}
	return "INSERT INTO " + t.Name + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(exprs, ", ") + from + where
}
