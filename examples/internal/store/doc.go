// Package store says what the aggregator keeps in a database, as a contract that its adapters share:
// package store/sqlite for one process, and package store/postgres where several share the work.
// Package store/storetest tests any adapter against it.
//
// # Two sides
//
// A crawler has to remember domains that don't want to be named, or it would ask them again and again.
// So a database has two sides. [crawl.Store] is the crawler's: it is as private as its memory.
// [Public] is the side of pages, charts and exports, and none of its methods returns, at any time,
// a name that has no live verdict at that time, or one that is excluded.
//
// The schema helps to keep that so. A name is stored in one table only; all others refer to its row,
// and the public side reads names through a view that holds those with a live verdict.
// Where the row goes, whatever refers to it goes with it.
//
// # Crashes
//
// When a method that changes something returns without an error, the change has reached the disk.
// When it returns an error, or never returns because the machine has died, all of its change was made or none of it.
// Nothing needs repair by hand. Every change may be tried again: to make it twice is to make it once.
package store
