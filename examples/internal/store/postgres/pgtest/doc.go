// Package pgtest starts a real PostgreSQL for tests (build tag integration).
package pgtest
