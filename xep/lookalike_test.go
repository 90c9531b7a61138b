package xep

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A name that passes for another one is shown in ASCII, and one that people write in their own script is not.
func TestLookalikesStayInASCII(t *testing.T) {
	tests := map[string]bool{
		"аpple.example": true, "аррӏе.example": true, "gοοgle.example": true, "хмрр-сор.example": false, "οινος.example": false, "аррӏе-1.example": true,
		"пример.example": false, "яндекс.рф": false, "bücher.example": false, "ישראל.example": false, "例え.example": false, "latin.пример": false,
	}
	for name, ascii := range tests {
		n := MustName(name)
		require.Equal(t, ascii, n.Unicode() == n.String(), name)
	}
}
