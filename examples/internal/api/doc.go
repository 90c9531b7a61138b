// Package api serves a network graph to programs: as JSON below /api/v1, as a stream of changes, in the formats of other tools,
// and as the files of the old network page. The document at /api/v1/openapi.json describes it all.
//
// Everything it shows comes from an [edition.Edition] or from a [store.Public], neither of which holds a name without a live verdict.
package api
