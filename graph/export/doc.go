// Package export writes snapshots of the network in the formats of other tools.
//
// A [Format] writes a snapshot, or a view of one:
//
//	err := export.GEXF.Write(w, snap.View(graph.Focus(name, 1)))
//
// [Formats] lists all of them with media type and file ending, so that a server or a command can offer what exists.
//
// The output is a function of the snapshot and the options, to the byte.
// It is written as it is made: beside the snapshot, a writer needs some 64 KB.
//
// # Unnamed peers
//
// They are written as counts on their reporter, or as nodes of their own.
// The ids of such nodes are numbers behind a question mark, which no domain name can hold.
// They are given out anew in each export, and say nothing about the domain or about the same number in another export.
package export
