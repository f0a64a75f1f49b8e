// Command portrange tells how many local ports a Linux host has left towards
// each destination.
//
// It asks name servers for the name of a host that `left` is given, and for nothing
// else; where it is built with cgo, not the C library's resolver and its daemons.
//
//go:debug netdns=go
package main

import (
	"os"
	"os/signal"
	"syscall"

	"portrange/internal/cli"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup(1)
		signal.Notify(signals, syscall.SIGHUP)
	}
	interrupt := cli.NewInterrupt()
	ctx := interrupt.Watch(signals, func() { cli.Tidy(os.Stdout, os.Stderr) }, os.Exit)
	os.Exit(cli.Run(ctx, os.Args[1:], cli.Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Interrupt: interrupt,
		Again: append([]string{"/proc/self/exe"}, os.Args[1:]...),
	}))
}
