//go:build integration

package connect_test

import (
	"testing"

	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(integration.With(m, integration.Options{Stock: true})) }
