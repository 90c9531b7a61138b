// Package layout gives the domains of a snapshot places, for pictures and for pages that need not compute them.
//
// Named domains are laid out by forces: links pull, domains push each other away, and their discs don't overlap.
// The unnamed peers of a domain fill its disc like the seeds of a sunflower, so they cost no time and hold no meaning.
// Small components stand around the largest.
//
// The same snapshot, options and previous layout give the same places, to the bit on one architecture.
package layout
