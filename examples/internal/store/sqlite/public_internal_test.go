package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	driver "zombiezen.com/go/sqlite"
)

// TestPublicSideReadsNamesByTheViewOnly tries statements that somebody might add one day.
func TestPublicSideReadsNamesByTheViewOnly(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for query, allowed := range map[string]bool{
		`SELECT name FROM named`:                                        true,
		`SELECT id FROM domains`:                                        true,
		`SELECT count(*) FROM domains`:                                  true,
		`SELECT name FROM domains`:                                      false,
		`SELECT service FROM domains`:                                   false,
		`SELECT id FROM domains ORDER BY name`:                          false,
		`SELECT n.name FROM named AS n, domains AS d WHERE d.name > ''`: false,
		`SELECT name FROM exclusions`:                                   false,
		`SELECT body FROM documents`:                                    false,
		`DELETE FROM domains`:                                           false,
	} {
		t.Run(query, func(t *testing.T) {
			err := s.with(t.Context(), s.public, func(c *driver.Conn) error { return run(c, query) })
			if allowed {
				require.NoError(t, err)
			} else {
				require.Error(t, err)
			}
		})
	}
}
