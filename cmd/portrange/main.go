// Command portrange tells how many local ports a Linux host has left towards
// each destination.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"portrange/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(cli.Run(ctx, os.Args[1:], cli.Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Again: append([]string{"/proc/self/exe"}, os.Args[1:]...),
	}))
}
