// Command evpnctl shows what an evpnd on this host, or behind mutual TLS on
// another, knows and does, and asks it for the few things it can be asked.
//
// It is a client of the admin API evpnd/v1 and nothing else. Lists are
// printed as they arrive, so a million MACs do not gather in memory. What
// goes to standard output is what was asked for; what went wrong goes to
// standard error and into the exit status:
//
//	0  done
//	1  evpnd cannot be reached, does not know the object, or refused
//	2  the command is wrong
//	3  doctor found something to be mended
//	4  doctor found something that keeps hosts from being reached
//
// config diff has those of diff(1): 0 no difference, 1 differences, 2 trouble.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set when evpnctl is built.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
