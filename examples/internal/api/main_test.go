package api

import (
	"testing"

	"github.com/xmppgraph/xmppgraph/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
