package connect_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/disco"
)

// TestPlainSessionSurvivesTimeouts shows that requests which are given up do not break the output of a session of
// mellium's own, as they would through its helpers.
func TestPlainSessionSurvivesTimeouts(t *testing.T) {
	s := bareComponent(t, newFastServer(t))
	rnd := rand.New(rand.NewPCG(1, 2))
	var wg sync.WaitGroup
	for range 500 {
		hasty := time.Duration(rnd.IntN(300)) * time.Microsecond
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), hasty)
			defer cancel()
			_, _ = disco.GetInfo(ctx, s, peer, "")
		})
		wg.Go(func() {
			_, err := disco.GetInfo(testContext(t), s, peer, "")
			require.NoError(t, err)
		})
	}
	wg.Wait()
}
