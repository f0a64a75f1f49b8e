package sockiter

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
)

// Options say what the programs will be asked for.
type Options struct {
	// Holders loads what [Programs.Holders] needs. It takes the kernel's
	// verifier longer than all the rest.
	Holders bool
	// Brief leaves out UID, Timer and Inode, each of which costs a cache miss
	// per socket. Holders still has the inodes that several descriptors share.
	// Where the kernel has what it takes (6.8) and the processor keeps loads in
	// order, TCP sockets are then read from the table of bind buckets, several
	// times as fast as by the iterator.
	Brief bool
	// Types has the kernel's type information, which takes most of the time to
	// decode; nil for a copy of its own.
	Types *btf.Cache

	architecture string // as GOARCH, "" for this program's
}

// Programs are the loaded iterators. They belong to no network namespace and
// may be used by several goroutines at once.
type Programs struct {
	binds    *bindHash // nil unless brief, and where the kernel is too old
	udp      *link.Iter
	taskFile *link.Iter // nil when not asked for, or refused
	refused  error      // why there is no taskFile
	options  Options
	tick     time.Duration
	walks    sync.WaitGroup

	mu  sync.Mutex
	tcp *link.Iter // nil until it is needed
}

// Open loads the iterators into the kernel and attaches them. The error tells
// what is missing: compare it with [ErrNoBTF], [ErrNoIterators] and
// [ErrPermission]. A kernel that shows sockets but not their holders is no error
// here; [Programs.Holders] yields the reason. That the table of bind buckets
// cannot be walked is a gap, but on a kernel that is too old for it.
func Open(options Options, gaps *host.Gaps) (*Programs, error) {
	l, err := newLoader(options)
	if err != nil {
		return nil, err
	}
	p := &Programs{refused: errNotAskedFor, options: options}
	p.options.Types = nil // megabytes, and no more needed
	if p.tick, err = tick(); err != nil {
		return nil, err
	}
	if err := p.openSockets(l, gaps); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if options.Holders {
		p.refused = p.openHolders(l)
	}
	return p, nil
}

// openSockets has TCP sockets read the short way where the kernel allows it and
// no rows are wanted, else through the iterator. Both find the same.
func (p *Programs) openSockets(l *loader, gaps *host.Gaps) error {
	var programs struct {
		UDP *ebpf.Program `ebpf:"iter_udp"`
	}
	if err := l.load(l.spec, &programs); err != nil {
		return err
	}
	var err error
	if p.udp, err = attach(programs.UDP); err != nil {
		return err
	}
	if l.brief && loadsStayInOrder(l.architecture) && l.hasTable() {
		if p.binds, err = openBindHash(l); err == nil {
			return nil
		}
		gaps.Missing(host.PartTableWalk, 0, err)
	}
	p.tcp, err = openTCP(l)
	return err
}

// iterator is the one over TCP sockets, which is loaded when it is first needed.
func (p *Programs) iterator() (*link.Iter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tcp != nil {
		return p.tcp, nil
	}
	l, err := newLoader(p.options)
	if err != nil {
		return nil, err
	}
	p.tcp, err = openTCP(l)
	return p.tcp, err
}

func openTCP(l *loader) (*link.Iter, error) {
	var programs struct {
		TCP *ebpf.Program `ebpf:"iter_tcp"`
	}
	if err := l.load(l.spec, &programs); err != nil {
		return nil, err
	}
	return attach(programs.TCP)
}

func (p *Programs) openHolders(l *loader) error {
	var programs struct {
		TaskFile *ebpf.Program `ebpf:"iter_task_file"`
	}
	if err := l.load(l.spec, &programs); err != nil {
		return err
	}
	var err error
	p.taskFile, err = attach(programs.TaskFile)
	return err
}

// attach hands the program over to an iterator.
func attach(program *ebpf.Program) (*link.Iter, error) {
	defer program.Close()
	iterator, err := link.AttachIter(link.IterOptions{Program: program})
	if err != nil {
		return nil, fmt.Errorf("attach BPF iterator: %w", explain(err))
	}
	return iterator, nil
}

// Close unloads the programs once the walks that are under way have ended.
func (p *Programs) Close() error {
	p.walks.Wait()
	var errs []error
	for _, iterator := range []*link.Iter{p.tcp, p.udp, p.taskFile} {
		if iterator != nil {
			errs = append(errs, iterator.Close())
		}
	}
	if p.binds != nil {
		errs = append(errs, p.binds.close())
	}
	return errors.Join(errs...)
}

// loader shares the kernel's type information, which takes most of the time to
// load, between the programs.
type loader struct {
	spec         *ebpf.CollectionSpec // the iterators
	options      ebpf.CollectionOptions
	brief        bool
	architecture string
}

func newLoader(options Options) (*loader, error) {
	spec, err := loadBpf()
	if err != nil {
		return nil, fmt.Errorf("read BPF iterators: %w", err)
	}
	if options.Brief {
		if err := spec.Variables[bpfVarBrief].Set(uint8(1)); err != nil {
			return nil, fmt.Errorf("set up BPF iterators: %w", err)
		}
	}
	cache := options.Types
	if cache == nil {
		cache = btf.NewCache()
	}
	kernel, err := cache.Kernel()
	if errors.Is(err, ebpf.ErrNotSupported) {
		return nil, ErrNoBTF
	}
	if err != nil {
		return nil, fmt.Errorf("read the kernel's BTF: %w", err)
	}
	if err := hasIterators(kernel); err != nil {
		return nil, err
	}
	return &loader{
		spec, ebpf.CollectionOptions{Cache: cache}, options.Brief, cmp.Or(options.architecture, runtime.GOARCH),
	}, nil
}

// hasIterators looks for the functions that the kernel defines for attaching
// (DEFINE_BPF_ITER_FUNC).
func hasIterators(kernel *btf.Spec) error {
	for _, name := range []string{"bpf_iter_tcp", "bpf_iter_udp"} {
		var function *btf.Func
		if err := kernel.TypeByName(name, &function); errors.Is(err, btf.ErrNotFound) {
			return ErrNoIterators
		} else if err != nil {
			return fmt.Errorf("look for %s in the kernel's BTF: %w", name, err)
		}
	}
	return nil
}

// loadsStayInOrder is true for processors that never let a load pass another, on which the
// walk of the table relies: it takes no lock. There smp_rmb() is barrier() (Linux,
// arch/x86/include/asm/barrier.h and arch/s390/include/asm/barrier.h). Others may be as
// good; the iterators are right on all.
func loadsStayInOrder(architecture string) bool {
	return slices.Contains([]string{"amd64", "386", "s390x"}, architecture)
}

// hasTable is false for a kernel that by its own description lacks what the walk
// of the table takes: sockets that all hang on their address's bucket (6.8), and
// a way for programs to follow pointers (6.2).
func (l *loader) hasTable() bool {
	kernel, err := l.options.Cache.Kernel()
	if err != nil {
		return false
	}
	var cast *btf.Func
	if errors.Is(kernel.TypeByName("bpf_rdonly_cast", &cast), btf.ErrNotFound) {
		return false
	}
	return hasMember(kernel, "inet_bind_bucket", "bhash2") && hasMember(kernel, "inet_bind2_bucket", "owners")
}

// hasMember is true where the kernel does not tell.
func hasMember(kernel *btf.Spec, structure, member string) bool {
	var found *btf.Struct
	if err := kernel.TypeByName(structure, &found); err != nil {
		return !errors.Is(err, btf.ErrNotFound)
	}
	return slices.ContainsFunc(found.Members, func(m btf.Member) bool { return m.Name == member })
}

// load has the programs that are named in the struct verified by the kernel.
func (l *loader) load(spec *ebpf.CollectionSpec, programs any) error {
	err := spec.LoadAndAssign(programs, &l.options)
	if errors.Is(err, unix.EPERM) && len(missingCapabilities()) == 0 && raiseMemlock() == nil {
		err = spec.LoadAndAssign(programs, &l.options)
	}
	if err != nil {
		return fmt.Errorf("load BPF iterators: %w", explain(err))
	}
	return nil
}

// tick is the length of a jiffy. The coarse clocks advance once a jiffy, and
// the kernel gives that as their resolution (TICK_NSEC), whatever CONFIG_HZ.
func tick() (time.Duration, error) {
	var resolution unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &resolution); err != nil {
		return 0, fmt.Errorf("ask for the length of a jiffy: %w", err)
	}
	return time.Duration(resolution.Nano()), nil
}
