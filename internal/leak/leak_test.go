package leak

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

func TestWait(t *testing.T) {
	stop := make(chan struct{})
	started := make(chan struct{})
	go func() { close(started); <-stop }()
	<-started
	left := Wait(0)
	require.NotEmpty(t, left)
	found := false
	for _, s := range left {
		found = found || string(own(s)) != string(s) && !harmless(s)
	}
	require.True(t, found, "a goroutine that a test started must be found")
	close(stop)
}

func TestWaitReturnsAtOnceWhenClean(t *testing.T) {
	for _, s := range Wait(time.Minute) {
		t.Errorf("unexpected goroutine:\n%s", s)
	}
}

func TestHarmless(t *testing.T) {
	for _, tc := range []struct {
		name, stack string
		want        bool
	}{
		{"alarm", "goroutine 5 [select]:\ntesting.(*M).startAlarm.func1()\n\t/x.go:1", true},
		{"signal", "goroutine 5 [syscall]:\nos/signal.signal_recv()\n\t/x.go:1", true},
		{"ours, created by a test", "goroutine 9 [chan receive]:\nexample.org/x.loop()\n\t/x.go:1\ncreated by testing.tRunner.func1 in goroutine 1\n\t/y.go:2", false},
		{"ours, created by fuzzing", "goroutine 9 [chan receive]:\nexample.org/x.loop()\n\t/x.go:1\ncreated by internal/fuzz.x in goroutine 1\n\t/y.go:2", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, harmless([]byte(tc.stack)))
		})
	}
}
