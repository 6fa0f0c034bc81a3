package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evpnd/evpnd/cmd/internal/apiaddr"
)

// Exit statuses.
const (
	exitDone  = 0
	exitNo    = 1
	exitUsage = 2
)

// usageError is a command that cannot be meant, as opposed to one that evpnd
// refused.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errDiffers is no trouble: what was compared is not the same, and has been
// shown.
var errDiffers = errors.New("it differs")

// problemError is any trouble of a command whose exit status 1 means something
// else, as in diff(1).
type problemError struct{ error }

func (e problemError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// app is what all commands share: the global flags and where output goes.
type app struct {
	api     string
	tlsCert string
	tlsKey  string
	tlsCA   string
	timeout time.Duration
	output  string

	out io.Writer // buffered; flushed when a command ends, and by watch
	err io.Writer

	tell    *progress // of the command that runs
	scrolls bool      // out ends in a terminal

	started bool // the flags and arguments were right, a command runs
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	buf := bufio.NewWriterSize(stdout, 64<<10)
	a := &app{out: buf, err: stderr, scrolls: isTerminal(stdout)}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(buf)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if ferr := buf.Flush(); err == nil && ferr != nil {
		err = fmt.Errorf("cannot write the output: %w", ferr)
	}
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errDiffers):
		return exitNo
	}
	fmt.Fprintf(stderr, "evpnctl: %v\n", err)
	var trouble problemError
	if errors.As(err, &trouble) {
		return exitUsage
	}
	var found diagnosis
	if errors.As(err, &found) {
		return found.status()
	}
	var usage usageError
	if errors.As(err, &usage) || !a.started {
		return exitUsage
	}
	return exitNo
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "evpnctl",
		Short: "Look into evpnd, the EVPN control plane of this host",
		Long: `evpnctl shows what evpnd knows and does, resets sessions, lets frozen addresses
go, reloads the configuration, or shuts evpnd down. It talks to the socket of the evpnd on this
host unless --api or EVPND_API name another.

What changes something is for admins (api.admin-group and api.tls.admins in
evpnd's configuration).

Exit status: 0 done; 1 evpnd cannot be reached, does not know the object, or
refused, or an audit found differences; 2 the command is wrong; doctor has 3
and 4 besides, and config diff those of diff(1).`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if err := a.check(); err != nil {
				return err
			}
			a.started = true
			return nil
		},
	}
	f := root.PersistentFlags()
	f.StringVar(&a.api, "api", envOr("EVPND_API", apiaddr.Default), "where evpnd listens: unix:///path, a path, or tcp://host:port (EVPND_API)")
	f.StringVar(&a.tlsCert, "tls-cert", os.Getenv("EVPND_TLS_CERT"), "certificate to show to evpnd, for tcp:// (EVPND_TLS_CERT)")
	f.StringVar(&a.tlsKey, "tls-key", os.Getenv("EVPND_TLS_KEY"), "key of that certificate (EVPND_TLS_KEY)")
	f.StringVar(&a.tlsCA, "tls-ca", os.Getenv("EVPND_TLS_CA"), "who vouches for evpnd's certificate (EVPND_TLS_CA)")
	f.DurationVar(&a.timeout, "timeout", 10*time.Second, "how long to wait for an answer, or for the next part of a long one")
	f.StringVarP(&a.output, "output", "o", "table", "how to print: "+strings.Join(formats, ", "))
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(
		a.statusCommand(), a.peerCommand(), a.vniCommand(), a.vtepCommand(), a.macCommand(),
		a.neighborCommand(), a.routeCommand(), a.explainCommand(), a.auditCommand(), a.watchCommand(), a.configCommand(), a.shutdownCommand(), a.versionCommand(),
	)
	root.AddCommand(a.doctorCommand())
	return root
}

// check looks at the global flags.
func (a *app) check() error {
	if !slices.Contains(formats, a.output) {
		return usagef("-o %s: want one of %s", a.output, strings.Join(formats, ", "))
	}
	if a.timeout <= 0 {
		return usagef("--timeout %s: want more than nothing", a.timeout)
	}
	_, err := a.target()
	return err
}

// group returns a command that does nothing itself.
func group(use, short string, sub ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		RunE: func(c *cobra.Command, args []string) error {
			var names []string
			for _, s := range c.Commands() {
				names = append(names, s.Name())
			}
			want := "want one of " + strings.Join(names, ", ")
			if len(args) > 0 {
				return usagef("%s has no command %q: %s", c.CommandPath(), args[0], want)
			}
			return usagef("%s: a command is missing: %s", c.CommandPath(), want)
		},
	}
	c.AddCommand(sub...)
	return c
}

// args makes cobra check the number of arguments in words that name them.
func args(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s: %s is missing: usage: %s", c.CommandPath(), names[len(args)], c.UseLine())
		case len(args) > len(names):
			return usagef("%s: %q is too much: usage: %s", c.CommandPath(), args[len(names)], c.UseLine())
		}
		return nil
	}
}

func envOr(name, other string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return other
}
