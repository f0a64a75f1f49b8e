package owner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/kernel/owner"
	"portrange/internal/nettest"
)

// scanEnv makes the test binary scan /proc for the holders of one socket.
const scanEnv = "OWNER_TEST_SCAN"

// report is what such a run prints.
type report struct {
	Holders []host.Process
	Gaps    []host.Gap
}

func TestMain(m *testing.M) {
	if inode := os.Getenv(scanEnv); inode != "" {
		if err := printReport(inode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	nettest.Main(m)
}

func printReport(text string) error {
	var inode uint64
	if _, err := fmt.Sscan(text, &inode); err != nil {
		return err
	}
	index, gaps, err := owner.Scan(context.Background(), owner.Proc)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(report{Holders: holders(index, inode), Gaps: gaps})
}

// listener is a socket of this process, as a file.
func listener(t *testing.T) (*os.File, uint64) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.File() // a duplicate of the descriptor
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	return file, stat.Ino
}

func self(t *testing.T) host.Process {
	t.Helper()
	command, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return host.Process{PID: os.Getpid(), Command: strings.TrimSuffix(string(command), "\n")}
}

func liveIndex(t *testing.T) *owner.Index {
	t.Helper()
	index, _, err := owner.Scan(t.Context(), owner.Proc)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func TestLiveOwnSocket(t *testing.T) {
	file, inode := listener(t)
	again, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(again)
	expectHolders(t, liveIndex(t), inode, self(t))
}

func TestLiveSharedSocket(t *testing.T) {
	file, inode := listener(t)
	child := exec.Command("sleep", "600")
	child.ExtraFiles = []*os.File{file}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		child.Process.Kill()
		child.Wait()
	}()
	sleep := host.Process{PID: child.Process.Pid, Command: "sleep"}
	expectHolders(t, liveIndex(t), inode, inOrder(self(t), sleep)...)
}

func inOrder(a, b host.Process) []host.Process {
	if a.PID > b.PID {
		a, b = b, a
	}
	return []host.Process{a, b}
}

// TestLiveCapabilities scans as an ordinary user with a choice of capabilities.
// It takes both to see a socket of root's.
func TestLiveCapabilities(t *testing.T) {
	nettest.NeedRoot(t)
	file, inode := listener(t)
	defer file.Close()
	for _, test := range []struct {
		name string
		caps []uintptr
		sees bool
	}{
		{"none", nil, false},
		{"CAP_SYS_PTRACE", []uintptr{unix.CAP_SYS_PTRACE}, false},
		{"CAP_DAC_READ_SEARCH", []uintptr{unix.CAP_DAC_READ_SEARCH}, false},
		{"both", []uintptr{unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := scanAs(t, inode, test.caps)
			if !test.sees {
				if len(got.Holders) != 0 || len(got.Gaps) != 1 {
					t.Fatalf("holders %v and gaps %v, want no holder and one gap", got.Holders, got.Gaps)
				}
				expectDenied(t, got.Gaps[0])
				return
			}
			if len(got.Holders) != 1 || got.Holders[0] != self(t) {
				t.Errorf("holders %v, want this process", got.Holders)
			}
			for _, gap := range got.Gaps {
				// A process may be protected from root too.
				if strings.Contains(gap.Why, "run as root") {
					t.Errorf("gap %v with all capabilities that it takes", gap)
				}
			}
		})
	}
}

// scanAs runs the test binary as user nobody. /proc/self/exe leads to it even
// where the user may not look into its directory.
func scanAs(t *testing.T, inode uint64, caps []uintptr) report {
	t.Helper()
	const nobody = 65534
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{fmt.Sprint(scanEnv, "=", inode)}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		AmbientCaps: caps,
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func expectDenied(t *testing.T, gap host.Gap) {
	t.Helper()
	var denied, all int
	if _, err := fmt.Sscanf(gap.Why, "%d of %d processes: permission denied;", &denied, &all); err != nil {
		t.Fatalf("gap %q: %v", gap.Why, err)
	}
	if denied < 1 || all <= denied {
		t.Errorf("%d of %d processes are denied; the reader itself is not", denied, all)
	}
	if gap.Part != "owners" || !strings.Contains(gap.Why, "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH") {
		t.Errorf("gap %v does not name the capabilities", gap)
	}
}

// BenchmarkScan scans this machine with 100,000 sockets on it.
func BenchmarkScan(b *testing.B) {
	const sockets = 100_000
	h := nettest.New(b)
	h.Range(1024, 65535)
	h.Crowd(sockets, nettest.CrowdOptions{Destinations: 2})
	for b.Loop() {
		if _, _, err := owner.Scan(b.Context(), owner.Proc); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/sockets, "ns/socket")
}
