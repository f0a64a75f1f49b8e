package boot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"portrange/internal/port"
)

// Keys are the settings that decide how long local ports last, in the order
// they are reported.
func Keys() []string {
	return []string{port.KeyRange, port.KeyReserved, port.KeyUnprivilegedStart,
		port.KeyTWReuse, port.KeyFinTimeout, port.KeyMaxTWBuckets}
}

const (
	// maxPort is the end of every port range (ip_local_port_range_max).
	maxPort = 65535
	// hz is CONFIG_HZ, which bounds tcp_fin_timeout to INT_MAX/HZ seconds.
	// Kernels differ; only values above 24 days meet the difference.
	hz = 250
	// defaultUnprivileged is PROT_SOCK (include/net/sock.h).
	defaultUnprivileged = 1024
)

// kernel is a fresh network namespace that takes writes to its settings as the
// handlers of net/ipv4/sysctl_net_ipv4.c and kernel/sysctl.c do. A key it has
// no handler for takes any text.
type kernel struct {
	page         int // PAGE_SIZE: what a handler parses of one write
	low, high    int
	unprivileged int
	reserved     *port.Set
	spare        *port.Set // where the next list is parsed to
	other        map[string]string
}

func newKernel(page int) *kernel {
	return &kernel{
		page:         page,
		low:          int(port.DefaultRange.Low),
		high:         int(port.DefaultRange.High),
		unprivileged: defaultUnprivileged,
		reserved:     &port.Set{},
		spare:        &port.Set{},
		other: map[string]string{
			port.KeyTWReuse:    strconv.Itoa(port.DefaultTWReuse),
			port.KeyFinTimeout: strconv.Itoa(int(port.DefaultFinTimeout / time.Second)),
		},
	}
}

// known reports whether value can tell. Of keys it has no handler for the
// model knows only what was written; tcp_max_tw_buckets begins at a value that
// follows the machine's memory.
func (k *kernel) known(key string) bool {
	_, written := k.other[key]
	return written || key == port.KeyRange || key == port.KeyReserved || key == port.KeyUnprivilegedStart
}

// value is what a read of the key gives, with single spaces.
func (k *kernel) value(key string) string {
	switch key {
	case port.KeyRange:
		return fmt.Sprintf("%d %d", k.low, k.high)
	case port.KeyUnprivilegedStart:
		return strconv.Itoa(k.unprivileged)
	case port.KeyReserved:
		return k.reserved.String()
	}
	return k.other[key]
}

// write is one write(2) of data at file position pos. It returns how many
// bytes the kernel took; the rest is for the program to write again. The error
// says in an operator's words why the kernel would answer EINVAL.
func (k *kernel) write(key, data string, pos int) (int, error) {
	if data == "" {
		return 0, nil
	}
	if key == port.KeyReserved {
		return k.writeReserved(data, pos)
	}
	if pos > 0 { // kernel.sysctl_writes_strict: numbers are taken at position 0 only
		return len(data), nil
	}
	switch key {
	case port.KeyRange:
		return k.writeRange(data)
	case port.KeyUnprivilegedStart:
		return k.writeUnprivileged(data)
	case port.KeyTWReuse:
		// proc_dou8vec_minmax knows no minus sign and swallows what follows the number.
		if strings.HasPrefix(skipSpaces(data), "-") {
			return 0, refuse("a minus sign")
		}
		if _, err := k.writeNumber(key, data, 0, 2); err != nil {
			return 0, err
		}
		return len(data), nil
	case port.KeyFinTimeout:
		return k.writeNumber(key, data, -math.MaxInt32/hz, math.MaxInt32/hz)
	case port.KeyMaxTWBuckets:
		return k.writeNumber(key, data, math.MinInt32, math.MaxInt32)
	}
	k.other[key] = spaced(data)
	return len(data), nil
}

// writeRange is ipv4_local_port_range: a write of one number moves the low end
// and keeps the high one.
func (k *kernel) writeRange(data string) (int, error) {
	numbers, n, err := k.integers(data, 2, 1, maxPort)
	if err != nil {
		return 0, err
	}
	ends := [2]int{k.low, k.high}
	copy(ends[:], numbers)
	if ends[1] < ends[0] {
		return 0, refuse("a range that ends at %d, below its start %d", ends[1], ends[0])
	}
	if ends[0] < k.unprivileged {
		return 0, &encroaches{key: port.KeyUnprivilegedStart, text: fmt.Sprintf(
			"the kernel refuses a range from %d, below ip_unprivileged_port_start %d", ends[0], k.unprivileged)}
	}
	k.low, k.high = ends[0], ends[1]
	return n, nil
}

// writeUnprivileged is ipv4_privileged_ports.
func (k *kernel) writeUnprivileged(data string) (int, error) {
	numbers, n, err := k.integers(data, 1, 0, maxPort)
	if err != nil {
		return 0, err
	}
	if k.low < numbers[0] {
		return 0, &encroaches{key: port.KeyRange,
			text: fmt.Sprintf("the kernel refuses %d, above the low end %d of ip_local_port_range", numbers[0], k.low)}
	}
	k.unprivileged = numbers[0]
	return n, nil
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("the kernel refuses "+format, args...)
}

// encroaches is a refusal that is another key's doing.
type encroaches struct{ key, text string }

func (e *encroaches) Error() string { return e.text }

func (k *kernel) writeNumber(key, data string, least, most int) (int, error) {
	numbers, n, err := k.integers(data, 1, least, most)
	if err != nil {
		return 0, err
	}
	k.other[key] = strconv.Itoa(numbers[0])
	return n, nil
}

// integers is do_proc_dointvec with bounds: at least one and at most count
// numbers. What follows them is not taken.
func (k *kernel) integers(data string, count, least, most int) ([]int, int, error) {
	in := scanner{rest: data[:min(len(data), k.page-1)]}
	var numbers []int
	for len(numbers) < count {
		in.rest = skipSpaces(in.rest)
		if in.rest == "" {
			break
		}
		number, _, err := in.number(" \t\n")
		if err != nil {
			return nil, 0, err
		}
		if number < least || number > most {
			return nil, 0, refuse("%d, outside %d to %d", number, least, most)
		}
		numbers = append(numbers, number)
	}
	if len(numbers) == 0 {
		return nil, 0, refuse("an empty value")
	}
	in.rest = skipSpaces(in.rest)
	return numbers, len(data) - len(in.rest), nil
}

// writeReserved is proc_do_large_bitmap. It parses one page of a write and
// asks for the rest, which a later write at a position above 0 adds.
func (k *kernel) writeReserved(data string, pos int) (int, error) {
	in := scanner{rest: data[:min(len(data), k.page-1)]}
	cut := len(in.rest) < len(data)
	*k.spare = port.Set{}
	unread, err := in.ports(k.spare, cut)
	if err != nil {
		return 0, err
	}
	if pos > 0 {
		k.spare.Union(k.reserved)
	}
	k.reserved, k.spare = k.spare, k.reserved
	return min(len(data), k.page-1) - unread, nil
}

// spaced is a value with single spaces.
func spaced(text string) string { return strings.Join(strings.Fields(text), " ") }
