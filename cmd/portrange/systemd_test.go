package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// enterCgroup gives the process, which is process 1 of its namespace, a cgroup
// of its own, whose name is $1, as the root of a cgroup namespace.
const enterCgroup = `mount -t sysfs -o ro sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/$1
echo 0 > /sys/fs/cgroup/$1/cgroup.procs
umount /sys/fs/cgroup
exec unshare --cgroup /bin/sh -ec "$2" systemd "$3"`

// removeCgroup removes it when all processes in it have ended.
const removeCgroup = `mount -t cgroup2 cgroup2 /sys/fs/cgroup
find /sys/fs/cgroup/$1 -depth -type d -exec rmdir {} +`

// bootSystemd makes Debian's systemd process 1 of the namespaces it is in. The
// file system is read-only except where it is systemd's own, and of /proc/sys
// all but the network namespace's. Units are few: what the default
// dependencies of a timer ask for, and the system bus. $1 is copied to
// /opt/portrange.
const bootSystemd = `mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /opt
cp "$1" /opt/portrange
mkdir -p /opt/dev/shm /opt/dev/pts /opt/etc/sysctl.d /opt/units
for node in null zero full random urandom tty; do
	touch /opt/dev/$node
	mount --bind /dev/$node /opt/dev/$node
done
mount -t devpts -o newinstance,ptmxmode=666 devpts /opt/dev/pts
ln -s pts/ptmx /opt/dev/ptmx
touch /opt/dev/kmsg
for unit in sysinit.target basic.target timers.target sockets.target shutdown.target dbus.socket dbus.service; do
	cp -L /usr/lib/systemd/system/$unit /opt/units
done
mkdir /opt/units/sockets.target.wants
ln -s ../dbus.socket /opt/units/sockets.target.wants
for file in passwd group nsswitch.conf ld.so.cache dbus-1; do
	cp -a /etc/$file /opt/etc
done
echo 0123456789abcdef0123456789abcdef > /opt/etc/machine-id
touch /opt/etc/fstab
mount --rbind /opt/dev /dev
mount --bind /opt/etc /etc
mount --bind /opt/units /usr/lib/systemd/system
mount -t tmpfs tmpfs /usr/lib/systemd/system-generators
for directory in /run /var /tmp; do
	mount -t tmpfs -o mode=755 tmpfs $directory
done
mkdir /var/lib
ln -s /run /var/run
mount --bind /proc/sys /proc/sys
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,ro /proc/sys
mount -o remount,bind,ro /
ip link set lo up
exec env -i container=other PATH=/opt:/usr/sbin:/usr/bin:/sbin:/bin \
	/usr/lib/systemd/systemd --unit=basic.target --log-target=kmsg --show-status=no`

// makeSystemd is `systemd`: a machine as `machine` makes them, with systemd as
// process 1. `nsenter -t $systemd -a COMMAND` runs a command there; portrange is
// at /opt/portrange.
func makeSystemd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: systemd")
	}
	program, err := os.Executable()
	ts.Check(err)
	cgroup := fmt.Sprintf("portrange-%d-%s", os.Getpid(), strings.ReplaceAll(ts.Name(), "/", "-"))
	command := exec.Command("/bin/sh", "-ec", enterCgroup, "sh", cgroup, bootSystemd, program)
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL,
	}
	command.Stderr = os.Stderr
	ts.Check(command.Start())
	ts.Defer(func() {
		ts.Check(command.Process.Kill())
		_ = command.Wait() // it was killed
		ts.Check(exec.Command("unshare", "--mount", "/bin/sh", "-ec", removeCgroup, "sh", cgroup).Run())
	})
	ts.Check(awaitSystemd(command.Process.Pid))
	ts.Setenv("systemd", fmt.Sprint(command.Process.Pid))
}

// awaitSystemd waits until systemd has started everything.
func awaitSystemd(pid int) error {
	const patience = 30 * time.Second
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command("nsenter", "-t", fmt.Sprint(pid), "-a", "systemctl", "is-system-running").CombinedOutput()
		if err == nil {
			return nil
		}
		if time.Since(start) > patience {
			return fmt.Errorf("systemd does not start: %w: %s", err, out)
		}
	}
}
