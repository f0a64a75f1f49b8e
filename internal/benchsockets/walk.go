package main

import (
	"context"
	"fmt"
	"time"

	"portrange/internal/kernel/sockiter"
	"portrange/internal/kernel/sockiter/emptyiter"
)

// walkOnce walks the sockets of the process's namespace and prints how many
// nanoseconds that took, loading the programs aside.
func walkOnce(ctx context.Context, how string) error {
	walk, err := openWalk(ctx, how)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := walk(); err != nil {
		return err
	}
	fmt.Println(time.Since(start).Nanoseconds())
	return nil
}

func openWalk(ctx context.Context, how string) (func() error, error) {
	switch how {
	case "dump":
		return dumpAndDiscard, nil
	case "empty":
		walker, err := emptyiter.Open()
		if err != nil {
			return nil, err
		}
		return walker.Sockets, nil
	case "sockets":
		programs, err := sockiter.Open(sockiter.Options{Brief: true}, nil)
		if err != nil {
			return nil, err
		}
		return func() error {
			sockets := programs.Sockets(ctx, nil)
			for range sockets.All() {
			}
			return sockets.Err()
		}, nil
	}
	return nil, fmt.Errorf("walk %q: want dump, empty or sockets", how)
}
