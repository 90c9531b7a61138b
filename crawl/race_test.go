//go:build race

package crawl_test

// raced tells that the race detector runs, which makes everything several times slower.
const raced = true
