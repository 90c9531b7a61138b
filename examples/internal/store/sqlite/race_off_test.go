//go:build !race

package sqlite_test

const killRounds = 50
