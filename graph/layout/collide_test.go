package layout

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// discs are n of them, a few of which are larger than the others, and with a tail of three much larger.
func discs(n int, spread, tail float64) collider {
	random := rand.New(rand.NewPCG(485, uint64(n)))
	c := collider{gap: gap}
	for range n {
		c.x, c.y = append(c.x, spread*random.NormFloat64()), append(c.y, spread*random.NormFloat64())
		c.r = append(c.r, least+math.Exp(tail*random.NormFloat64()))
	}
	return c
}

// In strips the same pairs are found as in one sweep, whatever the sizes and wherever the discs are.
func TestStripsFindAllPairs(t *testing.T) {
	const n = 1500
	far := discs(n, 500, 3)
	for i := range 2 {
		far.x[i], far.y[i] = 9e8, -9e8
	}
	for name, c := range map[string]collider{
		"crowded": discs(n, 500, 3), "loose": discs(n, 1e5, 3), "all but on one spot": discs(n, 1e-3, 3), "far out": far,
	} {
		t.Run(name, func(t *testing.T) {
			pairs := 0
			for i := range c.x {
				for j := range i {
					if math.Hypot(c.x[i]-c.x[j], c.y[i]-c.y[j]) < c.r[i]+c.r[j]+c.gap-slack {
						pairs++
					}
				}
			}
			require.Equal(t, pairs, c.push(0), "in one sweep, where there are few")
			require.True(t, c.sort())
			require.Equal(t, pairs, c.pushInStrips(0))
		})
	}
	c := discs(manyDiscs, 1e6, 3)
	c.y[7] = math.MaxFloat64
	require.False(t, c.sort(), "then one sweep has to do")
	c.push(0)
}

// Many discs are apart in the end, as few are.
func TestManyDiscsAreApart(t *testing.T) {
	c := discs(manyDiscs, 600, 1)
	p := &plan{x: c.x, y: c.y, r: c.r}
	require.NoError(t, p.separate(t.Context()))
	require.Zero(t, c.push(0))
}
