package api

import (
	"os"
	"testing"

	"github.com/xmppgraph/xmppgraph/internal/leak"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(listenersEnv); spec != "" {
		listenMany(spec)
		return
	}
	leak.Main(m)
}
