//go:build !integration

package crawl_test

import (
	"testing"

	"github.com/xmppgraph/xmppgraph/internal/leak"
)

func wrapped(m *testing.M) leak.Runner { return m }
