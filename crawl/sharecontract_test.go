package crawl_test

import (
	"testing"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/crawl/storetest"
)

// The share that the tests of the crawler use keeps the contract itself.
func TestFakeShare(t *testing.T) {
	storetest.RunShare(t, func(*testing.T) storetest.Sharing {
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		db := crawl.NewFakeSharing(func() time.Time { return now })
		return storetest.Sharing{
			Join: func() crawl.Share { return db.Join() },
			Pass: func(d time.Duration) { now = now.Add(d) },
		}
	})
}
