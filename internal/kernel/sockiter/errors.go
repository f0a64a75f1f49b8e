package sockiter

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// What keeps the iterators from loading.
var (
	// ErrNoBTF: the kernel does not describe its own types, which every
	// iterator needs. Conclusive.
	ErrNoBTF = errors.New("the kernel has no BTF (/sys/kernel/btf/vmlinux, CONFIG_DEBUG_INFO_BTF)")
	// ErrNoIterators: the kernel has no iterator over TCP and UDP sockets.
	// Conclusive.
	ErrNoIterators = errors.New("the kernel has no BPF iterators over sockets (Linux 5.9, CONFIG_BPF_SYSCALL)")
	// ErrPermission: the kernel refused bpf() to this process. It may well
	// have all the features.
	ErrPermission = errors.New("bpf() refused")
	// ErrLockdown: the kernel is in lockdown mode "confidentiality" and keeps
	// from BPF what a program needs.
	ErrLockdown = errors.New("kernel lockdown (confidentiality) keeps kernel memory from BPF")
	// ErrRejected: the kernel's verifier did not accept a program. The error
	// that wraps it holds the end of the verifier's log.
	ErrRejected = errors.New("program rejected by the kernel's verifier")

	errNotAskedFor = errors.New("the programs were opened without holders")
)

// explain says in the terms of the caller's host why a program did not load.
func explain(err error) error {
	var rejected *ebpf.VerifierError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &rejected) && isLockedDown():
		return fmt.Errorf("%w: %w", ErrLockdown, err)
	case errors.As(err, &rejected):
		return fmt.Errorf("%w: %w", ErrRejected, err)
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("%w: %w", ErrNoIterators, err)
	case errors.Is(err, unix.EPERM):
		return refusal(err)
	}
	return err
}

// refusal leaves the library's own guesses out where the reason is known.
func refusal(err error) error {
	if missing := missingCapabilities(); len(missing) > 0 {
		return fmt.Errorf("%w: needs %s", ErrPermission, strings.Join(missing, " and "))
	}
	return fmt.Errorf("%w: the capabilities are there, but a user namespace, seccomp filter, lockdown or security module "+
		"forbids it: %w", ErrPermission, err)
}

// missingCapabilities names those that loading an iterator needs and this
// thread lacks (bpf_prog_load in kernel/bpf/syscall.c). CAP_SYS_ADMIN stands
// in for both.
func missingCapabilities() []string {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil
	}
	has := func(capability int) bool {
		return data[capability/32].Effective>>(capability%32)&1 == 1
	}
	var missing []string
	if has(unix.CAP_SYS_ADMIN) {
		return missing
	}
	if !has(unix.CAP_BPF) {
		missing = append(missing, "CAP_BPF")
	}
	if !has(unix.CAP_PERFMON) {
		missing = append(missing, "CAP_PERFMON")
	}
	return missing
}

// isLockedDown is false where securityfs is not mounted.
func isLockedDown() bool {
	modes, err := os.ReadFile("/sys/kernel/security/lockdown")
	return err == nil && bytes.Contains(modes, []byte("[confidentiality]"))
}

// raiseMemlock lifts the limit of locked memory, against which kernels before
// 5.11 count BPF programs. Needs CAP_SYS_RESOURCE.
func raiseMemlock() error {
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	return unix.Prlimit(0, unix.RLIMIT_MEMLOCK, &unlimited, nil)
}
