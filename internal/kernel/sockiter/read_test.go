package sockiter

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
	"unsafe"

	"golang.org/x/sys/unix"
)

const recordSize = int(unsafe.Sizeof(bpfRecord{}))

// encode is what the kernel hands over for records with these inodes.
func encode(inodes ...uint64) []byte {
	var out []byte
	for _, inode := range inodes {
		r := bpfRecord{Inode: inode}
		out = append(out, unsafe.Slice((*byte)(unsafe.Pointer(&r)), recordSize)...)
	}
	return out
}

func upTo(n uint64) []uint64 {
	var all []uint64
	for i := range n {
		all = append(all, i+1)
	}
	return all
}

func readInodes(ctx context.Context, r io.Reader) ([]uint64, error) {
	var got []uint64
	err := readRecords(ctx, r, func(r *bpfRecord) error {
		got = append(got, r.Inode)
		return nil
	})
	return got, err
}

// TestReadRecords reads more than all batches together hold, in reads of any size.
func TestReadRecords(t *testing.T) {
	many := upTo(uint64(3 * batches * batchSize / recordSize))
	readers := map[string]func([]byte) io.Reader{
		"as it comes":       func(b []byte) io.Reader { return bytes.NewReader(b) },
		"with the end":      func(b []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(b)) },
		"halves":            func(b []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(b)) },
		"the kernel's size": func(b []byte) io.Reader { return limited{bytes.NewReader(b), 32 << 10} },
		"broken anywhere":   func(b []byte) io.Reader { return limited{bytes.NewReader(b), 1021} },
	}
	for name, reader := range readers {
		t.Run(name, func(t *testing.T) {
			for _, want := range [][]uint64{nil, {1}, many} {
				got, err := readInodes(t.Context(), reader(encode(want...)))
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("%d records: got %d, %v", len(want), len(got), err)
				}
			}
		})
	}
}

// limited reads no more than so many bytes at once.
type limited struct {
	r    io.Reader
	most int
}

func (l limited) Read(p []byte) (int, error) { return l.r.Read(p[:min(len(p), l.most)]) }

func TestReadTruncated(t *testing.T) {
	whole := encode(upTo(1000)...)
	for _, cut := range []int{1, recordSize - 1, recordSize + 1} {
		got, err := readInodes(t.Context(), bytes.NewReader(whole[:len(whole)-cut]))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut by %d: error %v after %d records", cut, err, len(got))
		}
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(bytes.NewReader(encode(1, 2, 3)), iotest.ErrReader(broken))
	got, err := readInodes(t.Context(), r)
	if !errors.Is(err, broken) || len(got) != 3 {
		t.Errorf("got %v and %d records, want the error after 3", err, len(got))
	}
}

// TestReadAgain: EAGAIN is how the kernel says that it found nothing for long.
func TestReadAgain(t *testing.T) {
	r := &interrupted{r: bytes.NewReader(encode(1, 2, 3)), times: 5}
	got, err := readInodes(t.Context(), r)
	if err != nil || !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// interrupted answers EAGAIN some times before each byte it has.
type interrupted struct {
	r           io.Reader
	times, left int
}

func (i *interrupted) Read(p []byte) (int, error) {
	if i.left > 0 {
		i.left--
		return 0, unix.EAGAIN
	}
	i.left = i.times
	return i.r.Read(p[:1])
}

func TestReadStops(t *testing.T) {
	n := 0
	err := readRecords(t.Context(), endless{}, func(*bpfRecord) error {
		n++
		if n == 10 {
			return errStop
		}
		return nil
	})
	if err != errStop || n != 10 {
		t.Errorf("visited %d records, error %v", n, err)
	}
}

func TestReadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := readRecords(ctx, endless{}, func(*bpfRecord) error {
		n++
		if n == 10 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after %d records", err, n)
	}
}

// TestReadCancelledInVain: no record ever comes.
func TestReadCancelledInVain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{}, 1)
	go func() {
		<-asked
		cancel()
	}()
	_, err := readInodes(ctx, barren{asked})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// endless has records for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, encode(upTo(100)...)), nil }

// barren finds nothing for ever.
type barren struct{ asked chan struct{} }

func (b barren) Read([]byte) (int, error) {
	select {
	case b.asked <- struct{}{}:
	default:
	}
	return 0, unix.EAGAIN
}

// FuzzReadRecords: whatever comes in whatever pieces, it is read whole or it is
// an error.
func FuzzReadRecords(f *testing.F) {
	f.Add(encode(1, 2), 100)
	f.Add(encode(1)[:recordSize-1], 1)
	f.Add([]byte{}, 7)
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		if piece < 1 {
			return
		}
		var got []byte
		err := readRecords(t.Context(), limited{bytes.NewReader(data), piece}, func(r *bpfRecord) error {
			got = append(got, unsafe.Slice((*byte)(unsafe.Pointer(r)), recordSize)...)
			_, _ = r.socket(1)
			return nil
		})
		whole := len(data) / recordSize * recordSize
		if !bytes.Equal(got, data[:whole]) {
			t.Errorf("got %d bytes back of %d", len(got), whole)
		}
		if whole == len(data) != (err == nil) {
			t.Errorf("%d bytes: error %v", len(data), err)
		}
	})
}
