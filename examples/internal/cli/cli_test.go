package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddress(t *testing.T) {
	for _, c := range []struct{ name, account, component, want, err string }{
		{"account", "me@example.org", "", "me@example.org", ""},
		{"component", "", "crawler.example.org", "crawler.example.org", ""},
		{"account without a user", "example.org", "", "", "-jid \"example.org\" has no user"},
		{"component with a user", "", "me@example.org", "", "-component \"me@example.org\" is not a domain"},
		{"no address", "@", "", "", "address \"@\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Address(c.account, c.component)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got.String())
		})
	}
}

func TestFiles(t *testing.T) {
	file := func(content string) string {
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
		return name
	}
	s, err := Secret(file("secret\r\n"))
	require.NoError(t, err)
	require.Equal(t, "secret", s)
	_, err = Secret(file("\n"))
	require.ErrorContains(t, err, "is empty")
	_, err = Roots(file("no PEM"))
	require.ErrorContains(t, err, "holds no certificate")
	_, err = Roots(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestList(t *testing.T) {
	var l List
	require.NoError(t, l.Set("a"))
	require.NoError(t, l.Set(" b "))
	require.Equal(t, "a,b", l.String())
}
