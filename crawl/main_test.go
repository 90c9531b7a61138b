package crawl_test

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// serveEnv makes the test binary a server instead: what it costs is then nobody's but its own.
const serveEnv = "CRAWL_TEST_SERVE"

func TestMain(m *testing.M) {
	if size, err := strconv.Atoi(os.Getenv(serveEnv)); err == nil {
		serve(size)
		return
	}
	leak.Main(wrapped(m))
}

// serve runs a spoilt federation until its standard input ends, and prints where.
func serve(size int) {
	srv, err := testserver.Open(testserver.Config{Seed: 1})
	if err != nil {
		panic(err)
	}
	defer srv.Close()
	f := testserver.Network(1, size)
	p := spoil(f, 1, reporters(f, 3))
	p.populate(srv)
	fmt.Println(srv.ComponentAddr())
	var told sync.Map
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		for _, m := range f.Domains {
			if h := srv.Domain(m.Name); m.Profile == testserver.ProsodyOld && len(h.Subscribers("serverinfo")) > 0 {
				if _, done := told.LoadOrStore(m.Name, true); !done {
					h.Publish()
				}
			}
		}
	}
}
