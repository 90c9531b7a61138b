//go:build integration

package crawl_test

import (
	"testing"

	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/internal/leak"
)

// wrapped stops the lab that the tests share before anybody looks for what they left behind.
func wrapped(m *testing.M) leak.Runner { return integration.With(m, integration.Options{}) }
