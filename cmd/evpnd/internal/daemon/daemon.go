// Package daemon puts evpnd together: the kernel's side, the engine, the
// sessions and the API, each on its own goroutines. They start in an order in
// which nothing is announced before it is known:
//
//	plane     reads the kernel; what is local reaches the engine
//	identity  the router id is known: configured, or found in what was read
//	sessions  begin when the local routes have been announced
//	ready     systemd is told, the API says so
//
// A part that can not work yet (no router id, a port in use, no privilege)
// says so as a problem in the API and tries again; the others go on.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	sdnotify "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/api"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/config"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/metrics"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/state"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/watch"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/linux"
	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/evpn/run"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// Options is what the command line says.
type Options struct {
	Path    string // of the configuration file
	Version string
	Level   *slog.LevelVar // follows log.level on reload
	Log     *slog.Logger
	Reload  <-chan os.Signal // a value asks to read Path again
}

// Daemon is a running evpnd.
type Daemon struct {
	opt      Options
	log      *slog.Logger
	started  time.Time
	plane    *dataplane.Plane
	core     *run.Runner
	sessions *sessions
	server   *api.Server
	metrics  *metrics.Server
	end      context.CancelFunc // ends Run, as its context does

	mu  sync.Mutex // one reload at a time
	cfg *config.Config
}

// Run runs evpnd with cfg until ctx ends or Shutdown is asked for over the
// API. What the kernel holds stays there: forwarding goes on, and the next
// evpnd takes it over.
func Run(ctx context.Context, cfg *config.Config, opt Options) error {
	access, err := api.NewAccess(cfg.API.AdminGroup, cfg.API.TLS.Admins)
	if err != nil {
		return err
	}
	listeners, err := listen(cfg)
	if err != nil {
		return err
	}
	kernel, err := linux.Open()
	if err != nil {
		closeAll(listeners)
		return fmt.Errorf("cannot speak to the kernel: %w", err)
	}
	defer kernel.Close()

	d := &Daemon{opt: opt, log: opt.Log, started: time.Now(), cfg: cfg}
	hub := watch.New(0)
	d.plane = dataplane.New(kernel, planeConfig(cfg), opt.Log)
	saver, memory := state.NewSaver(cfg.State.Directory, opt.Log)
	engine := evpn.New(engineConfig(cfg, cfg.BGP.RouterID))
	engine.Restore(memory)
	d.core = run.New(engine, d.plane, func(changes []evpn.Change) {
		hub.Publish(changes)
		saver.Wake()
	})
	d.sessions = &sessions{secrets: secretFiles(opt.Path, cfg)}
	audit := &auditor{core: d.core, plane: d.plane, log: opt.Log}
	d.server = api.New(api.Deps{
		Core: d.core, Sessions: d.sessions, Kernel: d.plane, Hub: hub,
		Info: d.info, Reload: d.reload, Diff: d.diff, Shutdown: d.shutdown, Access: access, Log: opt.Log,
		Auditor:  audit,
		Problems: func() []*evpndv1.Alarm { return d.problems(saver) },
	})
	d.metrics = metrics.New(d.metricsSource(audit, saver), opt.Log)
	d.metrics.Listen(cfg.Metrics.Listen.AddrPort)

	ctx, d.end = context.WithCancel(ctx)
	defer d.end()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.server.Serve(ctx, listeners...) })
	g.Go(func() error { return d.plane.Run(ctx) })
	g.Go(func() error { return d.core.Run(ctx) })
	g.Go(func() error { return saver.Run(ctx, d.core) })
	g.Go(func() error { return d.metrics.Run(ctx) })
	g.Go(func() error { return audit.run(ctx, d.auditInterval) })
	g.Go(func() error { return d.speak(ctx, g) })
	g.Go(func() error { return d.reloads(ctx) })
	err = g.Wait()
	saver.Last(engine)
	if _, serr := sdnotify.SdNotify(false, sdnotify.SdNotifyStopping); serr != nil {
		opt.Log.Debug("systemd was not told", "err", serr)
	}
	return err
}

func (d *Daemon) auditInterval() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg.VNIs.AuditInterval
}

// problems returns what is wrong with the daemon itself, and with what its parts
// need.
func (d *Daemon) problems(k *state.Saver) []*evpndv1.Alarm {
	out := d.sessions.alarms()
	if text := k.Problem(); text != "" {
		out = append(out, &evpndv1.Alarm{Kind: "state", Object: "state.directory", Text: text})
	}
	if text := d.metrics.Problem(); text != "" {
		out = append(out, &evpndv1.Alarm{Kind: "metrics", Object: "metrics.listen", Text: text})
	}
	return out
}

// planeWait bounds how long the sessions wait for the first read of the
// kernel. It takes milliseconds; where it fails, the routes of others are
// worth having all the same.
const planeWait = 10 * time.Second

// speak starts the sessions when there is something to say and an identity
// to say it with, and tells that the daemon is ready.
func (d *Daemon) speak(ctx context.Context, g *errgroup.Group) error {
	select {
	case <-d.plane.Ready():
	case <-time.After(planeWait):
		d.log.Warn("the sessions begin although the kernel could not be read yet")
	case <-ctx.Done():
		return nil
	}
	if err := d.startSpeaker(ctx, g); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	d.server.SetReady(true)
	d.log.Info("ready")
	if _, err := sdnotify.SdNotify(false, sdnotify.SdNotifyReady); err != nil {
		d.log.Warn("systemd was not told that evpnd is ready", "err", err)
	}
	return nil
}

func (d *Daemon) info() api.Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	return api.Info{Version: d.opt.Version, Started: d.started, RouterID: d.sessions.routerID(), AS: d.cfg.BGP.ASN}
}

// listen opens all endpoints of the API, or none.
func listen(cfg *config.Config) ([]net.Listener, error) {
	var out []net.Listener
	for _, c := range apiConfig(cfg) {
		l, err := api.Listen(c)
		if err != nil {
			closeAll(out)
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func closeAll(ls []net.Listener) {
	for _, l := range ls {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			slog.Debug("listener", "err", err)
		}
	}
}
