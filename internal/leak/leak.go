// Package leak fails a test suite that leaves goroutines behind.
//
// A package's TestMain calls [Main] in place of m.Run:
//
//	func TestMain(m *testing.M) { leak.Main(m) }
//
// Every goroutine of this project has an owner that waits for it, so that one which outlives the tests is a fault.
package leak

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"time"
)

// Patience is how long goroutines may take to end after the last test.
// A goroutine that has been told to stop needs a moment to be scheduled, and a loaded machine a longer one.
const Patience = 5 * time.Second

// Runner is the part of *testing.M that [Main] needs.
type Runner interface{ Run() int }

// Main runs the tests and exits the process, with status 1 if they passed but left goroutines behind.
func Main(m Runner) { os.Exit(Checked{m}.Run()) }

// Checked is a Runner that fails like [Main], for what exits the process itself, like testscript.Main.
type Checked struct{ Runner }

// Run runs the tests and returns their status, or 1 if they passed but left goroutines behind.
func (c Checked) Run() int {
	code := c.Runner.Run()
	if code != 0 {
		return code
	}
	left := Wait(Patience)
	if len(left) == 0 {
		return 0
	}
	fmt.Fprintf(os.Stderr, "leak: %d goroutines outlive the tests:\n\n%s\n", len(left), bytes.Join(left, []byte("\n\n")))
	return 1
}

// Wait returns the stacks of the goroutines that still run after at most d, other than the caller's own and those of the runtime.
// It returns nil as soon as none is left.
func Wait(d time.Duration) [][]byte {
	deadline := time.Now().Add(d)
	pause := time.Millisecond
	for {
		left := running()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause)
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// running returns the stacks of all goroutines that are neither the caller nor harmless.
func running() [][]byte {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	// The caller's own stack always comes first.
	stacks := bytes.Split(bytes.TrimSpace(buf), []byte("\n\n"))[1:]
	var left [][]byte
	for _, s := range stacks {
		if !harmless(s) {
			left = append(left, s)
		}
	}
	return left
}

// harmless reports whether a stack belongs to a goroutine that the runtime or the testing package owns.
//
// The match is on whole frames of the goroutine's own functions, not on "created by":
// a goroutine that a test started is created by testing code too, and is just what must be found.
func harmless(stack []byte) bool {
	for _, frame := range []string{
		"testing.(*M).startAlarm",
		"testing.tRunner.func",
		"testing.(*T).Run(", // waits for a subtest, so that a test can call Wait
		"testing.(*T).Parallel",
		"testing.runFuzzing",
		"testing.(*F).Fuzz",
		"internal/fuzz.",
		"os/signal.signal_recv",
		"os/signal.loop",
		"runtime.ensureSigM",
		"runtime/pprof.",
		"runtime/trace.",
		"runtime.ReadTrace",
	} {
		if bytes.Contains(own(stack), []byte("\n"+frame)) {
			return true
		}
	}
	return false
}

// own cuts the line naming the creator off a stack.
func own(stack []byte) []byte {
	if i := bytes.Index(stack, []byte("\ncreated by ")); i >= 0 {
		return stack[:i]
	}
	return stack
}
