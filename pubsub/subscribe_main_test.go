package pubsub_test

import (
	"testing"

	"github.com/xmppgraph/xmppgraph/internal/leak"
)

// wrapped is what else goes round the tests, nothing without the build tag "integration".
var wrapped = func(m *testing.M) leak.Runner { return m }

func TestMain(m *testing.M) { leak.Main(wrapped(m)) }
