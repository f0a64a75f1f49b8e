//go:build amd64 || arm64

package faults

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Action is what becomes of a call. Its zero value lets the call go on.
type Action struct {
	Errno unix.Errno // it fails with this
	Kill  bool       // the process is killed before it
}

// notification is struct seccomp_notif (include/uapi/linux/seccomp.h), response
// what answers it.
type notification struct {
	ID          uint64
	Thread      uint32
	Flags       uint32
	Number      int32
	Arch        uint32
	Instruction uint64
	Arguments   [6]uint64
}

type response struct {
	ID    uint64
	Value int64
	Error int32
	Flags uint32
}

// socketFD is the descriptor on which [Launch] hands the listener over.
const socketFD = 3

// Launch turns this process into the program given, with its calls caught: those
// of the names given, or all. It returns on error only.
func Launch(names, argv []string) error {
	// The filter is the thread's own, and execve(2) ends all other threads.
	runtime.LockOSThread()
	unix.CloseOnExec(socketFD)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	program := filter(names)
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	// Without the second flag a signal, as Go's runtime sends them to itself, makes a
	// call begin anew that has been counted.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	listener, _, errno := unix.RawSyscall(unix.SYS_SECCOMP,
		unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	if err := unix.Sendmsg(socketFD, []byte{1}, unix.UnixRights(int(listener)), nil, 0); err != nil {
		return fmt.Errorf("hand the listener over: %w", err)
	}
	return fmt.Errorf("execute %s: %w", argv[0], unix.Exec(argv[0], argv, os.Environ()))
}

// filter catches calls, and lets all others go on. execve(2) is always among them:
// it tells when the program begins.
func filter(names []string) []unix.SockFilter {
	var numbers []int32
	for number, kind := range caught {
		if len(names) == 0 || number == unix.SYS_EXECVE || slices.Contains(names, kind.name) {
			numbers = append(numbers, number)
		}
	}
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // seccomp_data.nr
	for i, number := range numbers {
		program = append(program, unix.SockFilter{
			Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(number), Jt: uint8(len(numbers) - i),
		})
	}
	return append(program,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
}

// Supervisor runs programs and decides about their calls.
type Supervisor struct {
	// Decide is asked about one call after the other, from the program's execve(2) on.
	Decide func(Call) Action

	listener *os.File
	served   chan struct{}
	main     int
	started  bool

	mu   sync.Mutex
	pids []int
}

// Run runs a command until it ends, which must call [Launch] at once. Processes
// that it leaves behind are supervised until [Supervisor.Close].
func (s *Supervisor) Run(command *exec.Cmd) error {
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer ours.Close()
	command.ExtraFiles = []*os.File{theirs}
	err = command.Start()
	theirs.Close()
	if err != nil {
		return err
	}
	s.main = command.Process.Pid
	if s.listener, err = receive(ours); err != nil {
		return errors.Join(err, command.Wait())
	}
	s.served = make(chan struct{})
	go s.serve()
	return command.Wait()
}

// Done is closed once all processes of the command have ended.
func (s *Supervisor) Done() <-chan struct{} { return s.served }

// Close kills what is left of the command and ends the supervision.
func (s *Supervisor) Close() error {
	if s.listener == nil {
		return nil
	}
	for serving := true; serving; {
		s.mu.Lock()
		for _, pid := range s.pids {
			if pid != s.main {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
		s.mu.Unlock()
		select {
		case <-s.served:
			serving = false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return s.listener.Close()
}

func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	file := os.NewFile(uintptr(fds[0]), "supervisor")
	defer file.Close()
	theirs := os.NewFile(uintptr(fds[1]), "launcher")
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn.(*net.UnixConn), theirs, nil
}

// receive waits for the listener.
func receive(conn *net.UnixConn) (*os.File, error) {
	const patience = 30 * time.Second
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 1), control)
	if err != nil {
		return nil, fmt.Errorf("wait for the launcher: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("wait for the launcher: %d messages, %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, fmt.Errorf("wait for the launcher: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "seccomp"), nil
}

// serve answers calls until all processes of the filter are gone.
func (s *Supervisor) serve() {
	defer close(s.served)
	fd := int(s.listener.Fd())
	for {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err := unix.Poll(poll, 100)
		switch {
		case errors.Is(err, unix.EINTR) || err == nil && poll[0].Revents == 0:
			continue
		case err != nil || poll[0].Revents&unix.POLLIN == 0:
			return
		}
		var n notification
		if ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) == nil {
			s.answer(fd, &n)
		}
	}
}

func (s *Supervisor) answer(fd int, n *notification) {
	call := callOf(n)
	call.Left = call.PID != s.main
	s.mu.Lock()
	if !slices.Contains(s.pids, call.PID) {
		s.pids = append(s.pids, call.PID)
	}
	s.mu.Unlock()
	r := response{ID: n.ID, Flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	switch action := s.decide(call); {
	case action.Kill:
		_ = unix.Kill(call.PID, unix.SIGKILL)
		return
	case action.Errno != 0:
		r = response{ID: n.ID, Error: -int32(action.Errno)}
	}
	_ = ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)) // the process may have died
}

// decide lets go on what the launcher does.
func (s *Supervisor) decide(call Call) Action {
	if !s.started {
		s.started = call.Name == "execve"
		return Action{}
	}
	return s.Decide(call)
}

func ioctl(fd int, request uint, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}
