package store

import (
	"context"
	"errors"
	"iter"
)

// ErrNotEmpty says that a database has something in it that would be lost.
var ErrNotEmpty = errors.New("store: the database is not empty")

// Copier copies a database as a whole, to another of any kind.
//
// What is copied is all that is known, names without a verdict included: it is as private as the database.
type Copier interface {
	// Dump calls f for each row, as of one moment, in an order in which Fill takes them. Others go on meanwhile.
	Dump(ctx context.Context, f func(Row) error) error
	// Fill puts rows into an empty database, all or nothing. The error is ErrNotEmpty if it is none.
	// An error of the sequence ends it.
	Fill(ctx context.Context, rows iter.Seq2[Row, error]) error
}

// Row is a row of a table. Its values are int64, bool, string or []byte, as the table has them.
type Row struct {
	Table  string
	Values []any
}
