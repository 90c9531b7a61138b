// Package peers measures how many visits a second package store/sqlite saves, beside the C library of SQLite through its own driver.
//
//	GOWORK=off go -C examples/internal/store/peers test -run '^$' -bench . -benchtime 40x
package peers
