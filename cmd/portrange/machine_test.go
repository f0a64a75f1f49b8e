package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// boot makes the namespaces of a machine look like one: files that portrange
// writes, and names of namespaces, are on file systems of its own.
const boot = `set -e
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /etc/sysctl.d
mount -t tmpfs -o mode=755 tmpfs /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
touch /run/empty
mount --bind /run/empty /etc/sysctl.conf
ip link set lo up
echo ready
exec sleep infinity`

// makeMachine is `machine`: processes, network and mounts of its own, for
// commands that write. `nsenter -t $machine -m -n -p` runs a command there. It
// ends with the script, and everything in it. What runs there on and on must
// not hold the script's output: `sh -c 'COMMAND >/dev/null 2>&1 &'`.
func makeMachine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: machine")
	}
	command := exec.Command("/bin/sh", "-c", boot)
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL,
	}
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	ts.Check(err)
	ts.Check(command.Start())
	ts.Defer(func() {
		ts.Check(command.Process.Kill())
		_ = command.Wait() // it was killed
	})
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil || said != "ready\n" {
		ts.Fatalf("the machine does not start: %q, %v", said, err)
	}
	ts.Setenv("machine", fmt.Sprint(command.Process.Pid))
}

// listener is `listener ADDR:PORT...`: a service that listens until it is killed.
func listener() {
	for _, at := range os.Args[1:] {
		if _, err := net.Listen("tcp", at); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fmt.Println("listens on " + strings.Join(os.Args[1:], " "))
	select {}
}
