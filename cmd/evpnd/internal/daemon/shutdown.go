package daemon

import (
	"context"
	"time"
)

// byeWait bounds how long a goodbye to all peers may take. A peer that hangs
// drops our routes when its hold time is over.
const byeWait = 3 * time.Second

// shutdown implements api.Deps.Shutdown. A reload that comes in between makes
// no session: after its Shutdown the speaker begins none.
func (d *Daemon) shutdown(withdraw bool) (warning string) {
	defer d.end()
	if !withdraw {
		d.log.Info("shutting down; peers keep our routes for bgp.restart-time")
		return ""
	}
	d.log.Info("shutting down, with goodbye to all peers")
	sp := d.sessions.get()
	if sp == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), byeWait)
	defer cancel()
	if err := sp.Shutdown(ctx); err != nil {
		d.log.Warn("not all peers could be told goodbye in time", "waited", byeWait)
		return "a peer could not be told goodbye in time: it keeps our routes until its hold time is over, or longer when it knows graceful restart"
	}
	return ""
}
