// Package edition turns a network graph into documents that are ready to be sent, for the pages and the programs that read it.
//
// A [Press] hands out the present [Edition]: a snapshot, the layout of it, and the documents that were made from both.
// Each document is made once for an edition, compressed once for each coding, and sent as bytes that are there already.
package edition
