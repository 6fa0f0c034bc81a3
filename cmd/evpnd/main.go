// Command evpnd is the EVPN control plane of a Linux VTEP: it tells its BGP
// peers which MAC and IP addresses sit behind it, and keeps the kernel's
// VXLAN forwarding tables as they say.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/config"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/daemon"
)

// version is set by the linker.
var version = "unknown"

// Exit codes.
const (
	exitFailed = 1 // it could not run, or the configuration is wrong
	exitUsage  = 2
)

var errUsage = errors.New("wrong usage")

func main() {
	var path string
	var check bool
	cmd := &cobra.Command{
		Use:           "evpnd --config FILE",
		Short:         "EVPN control plane of a Linux VTEP",
		Long:          "evpnd runs in the foreground, in the network namespace it is started in, and logs to stderr.\nSIGHUP reads the configuration again. SIGTERM and SIGINT end it; forwarding goes on.",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%w: unexpected argument %q", errUsage, args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			cfg, err := config.Load(path)
			if err != nil {
				return err
			}
			if check {
				fmt.Printf("%s: the configuration is valid\n", path)
				return nil
			}
			return run(path, cfg)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	cmd.Flags().StringVar(&path, "config", "/etc/evpnd/evpnd.yaml", "configuration `FILE`")
	cmd.Flags().BoolVar(&check, "check", false, "say what is wrong with the configuration, and do nothing else")
	if err := cmd.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, errUsage) {
			os.Exit(exitUsage)
		}
		os.Exit(exitFailed)
	}
}

func run(path string, cfg *config.Config) error {
	level := new(slog.LevelVar)
	level.Set(cfg.Log.Level)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	return daemon.Run(ctx, cfg, daemon.Options{
		Path: path, Version: version, Level: level, Log: logger(os.Stderr, cfg.Log.Format, level), Reload: hup,
	})
}

func logger(w io.Writer, format config.Format, level slog.Leveler) *slog.Logger {
	opt := &slog.HandlerOptions{Level: level}
	if format == config.FormatJSON {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}
