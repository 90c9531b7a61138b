package storetest_test

import (
	"testing"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/crawl/storetest"
	"github.com/xmppgraph/xmppgraph/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestMemoryStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Opener {
		s := new(crawl.MemoryStore)
		return func(*testing.T) crawl.Store { return s }
	})
}
