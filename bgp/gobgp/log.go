package gobgp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"

	gobgplog "github.com/osrg/gobgp/v3/pkg/log"
)

// logger hands GoBGP's messages to slog. They speak of loopback stand-ins,
// so they are shown at debug level only; what an operator should know the
// relay says itself, with the peer's real address. Nothing ends the process.
type logger struct {
	log     *slog.Logger
	unsaved atomic.Bool       // the key of the loopback legs could not be set
	freed   func(addr string) // a deleted neighbor is gone, its goroutines too
}

func (l *logger) put(level string, msg string, fields gobgplog.Fields) {
	if err, _ := fields["Err"].(error); msg == "failed to set md5" && !errors.Is(err, net.ErrClosed) {
		l.unsaved.Store(true) // closed are the listeners from before StopBgp, which GoBGP tries too
	}
	if !l.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	attrs := make([]slog.Attr, 0, len(fields)+1)
	attrs = append(attrs, slog.String("gobgp", level))
	for k, v := range fields {
		attrs = append(attrs, slog.Any(k, v))
	}
	l.log.LogAttrs(context.Background(), slog.LevelDebug, msg, attrs...)
}

func (l *logger) Panic(msg string, f gobgplog.Fields) { l.put("panic", msg, f) }
func (l *logger) Fatal(msg string, f gobgplog.Fields) { l.put("fatal", msg, f) }
func (l *logger) Error(msg string, f gobgplog.Fields) { l.put("error", msg, f) }
func (l *logger) Warn(msg string, f gobgplog.Fields)  { l.put("warn", msg, f) }
func (l *logger) Info(msg string, f gobgplog.Fields)  { l.put("info", msg, f) }

// Debug drops the message: GoBGP writes one for each route. One of them is
// the only sign that GoBGP gives of when the goroutines of a neighbor have
// ended.
func (l *logger) Debug(msg string, f gobgplog.Fields) {
	if msg == "freed fsm.h" {
		addr, _ := f["Key"].(string)
		l.freed(addr)
	}
}

func (l *logger) SetLevel(gobgplog.LogLevel) {}

// GetLevel saves GoBGP the work of making debug messages that nobody sees.
func (l *logger) GetLevel() gobgplog.LogLevel { return gobgplog.InfoLevel }
