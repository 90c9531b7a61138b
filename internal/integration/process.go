//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	startLimit = 90 * time.Second // a loaded machine with two cores starts several Erlang systems at once
	stopLimit  = 20 * time.Second
	pollEvery  = 20 * time.Millisecond
)

// process is a server that can be started again and again with the same command.
type process struct {
	name   string
	args   []string
	env    []string
	dir    string
	user   string   // runs as this user when we are root
	ready  []string // addresses that accept connections once the server is up
	output string   // file for what it writes outside its log

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the running process has ended
}

// start runs the server and waits until it accepts connections.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return fmt.Errorf("%s already runs", p.name)
	}
	out, err := os.OpenFile(p.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := command(p.user, p.dir, p.env, p.args...)
	cmd.Stdout, cmd.Stderr = out, out
	done, err := startMortal(cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.cmd, p.done = cmd, done
	if err := awaitListening(done, p.ready); err != nil {
		p.endLocked(syscall.SIGKILL)
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// startMortal starts cmd so that the kernel kills it when this process dies, which covers a test that panics or times out.
// The kernel watches the thread that forked, so that thread is kept for as long as the child lives.
func startMortal(cmd *exec.Cmd) (done chan struct{}, err error) {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	done = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the child
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how a server ends is not of interest, only that it has
		close(done)
	}()
	return done, <-started
}

// awaitListening returns once every address accepts a connection.
func awaitListening(done <-chan struct{}, addrs []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var d net.Dialer
	for _, addr := range addrs {
		for {
			c, err := d.DialContext(ctx, "tcp4", addr)
			if err == nil {
				c.Close()
				break
			}
			select {
			case <-done:
				return errors.New("ended while starting")
			case <-ctx.Done():
				return fmt.Errorf("does not listen on %s after %v: %w", addr, startLimit, err)
			case <-tick.C:
			}
		}
	}
	return nil
}

// end sends sig and waits; a server that ignores a polite signal for too long is killed, and that is an error.
func (p *process) end(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endLocked(sig)
}

func (p *process) endLocked(sig syscall.Signal) error {
	if p.cmd == nil {
		return nil
	}
	defer func() { p.cmd, p.done = nil, nil }()
	// A stopped process would keep the polite signal pending for ever.
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(sig)
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-p.done:
		return nil
	case <-limit.C:
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s ignored %v for %v", p.name, sig, stopLimit)
	}
}

// signal is for signals that do not end the process.
func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return fmt.Errorf("%s does not run", p.name)
	}
	return p.cmd.Process.Signal(sig)
}

// pause stops the process and waits until each of its threads has stopped.
// On a busy machine the others go on answering until the one that got the signal has its turn.
func (p *process) pause() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return fmt.Errorf("%s does not run", p.name)
	}
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	const byPID, stopped = 1, syscall.WSTOPPED | syscall.WNOWAIT // P_PID, which package syscall does not name
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, byPID, uintptr(p.cmd.Process.Pid), 0, stopped, 0, 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return fmt.Errorf("wait until %s has stopped: %w", p.name, errno)
		}
	}
}

// pid is 0 when the server does not run.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// command prepares args to run as name when we are root.
func command(name, dir string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + dir}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if uid, gid, ok := credential(name); ok {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return cmd
}

// credential tells whom to run as; not ok means: as ourselves.
func credential(name string) (uid, gid uint32, ok bool) {
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, false
	}
	id, err1 := strconv.ParseUint(u.Uid, 10, 32)
	group, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(id), uint32(group), err1 == nil && err2 == nil
}

// give makes name the owner of the folder and all below it.
func give(name, dir string) error {
	uid, gid, ok := credential(name)
	if !ok {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(uid), int(gid))
	})
}
