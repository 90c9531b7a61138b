//go:build race

package sqlite_test

// The race detector slows the start of a process down, and sees nothing of what another one does.
const killRounds = 10
