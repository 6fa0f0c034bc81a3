package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// event is one line of watch. In json each is one line, in yaml one document.
type event struct {
	Event  string `json:"event"`            // "set", "deleted", "snapshot-begin", "snapshot-end", "token"
	Kind   string `json:"kind,omitempty"`   // of object
	Object any    `json:"object,omitempty"` // as the list command of its kind prints it
	Token  string `json:"resume_token,omitempty"`

	text string // the object for a person
}

var kindNames = []string{"peer", "vni", "vtep", "mac", "neighbor", "alarm"}

func (a *app) watchCommand() *cobra.Command {
	var kinds []string
	var token string
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Show what there is, then what changes, until it is interrupted",
		Long: `Show what there is, then what changes, until it is interrupted.

With -o json each event is one object on one line. An event "token" carries a
resume_token: a later watch of the same kinds with --resume TOKEN tells only
what changed since, or begins with a snapshot when that is not known any more.
At "snapshot-begin" a reader forgets what it knew.`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := &evpndv1.WatchRequest{ResumeToken: token}
			for _, k := range kinds {
				n, ok := evpndv1.Kind_value["KIND_"+strings.ToUpper(k)]
				if !ok || n == 0 {
					return usagef("--kind %s: want one of %s", k, strings.Join(kindNames, ", "))
				}
				req.Kinds = append(req.Kinds, evpndv1.Kind(n))
			}
			return a.with(func(c *client) error { return a.watch(cmd.Context(), c, req) })
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&kinds, "kind", nil, "only these kinds of object, separated by commas: "+strings.Join(kindNames, ", "))
	f.StringVar(&token, "resume", "", "go on where an earlier watch ended")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(kindNames, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) watch(ctx context.Context, c *client, req *evpndv1.WatchRequest) error {
	call, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slow := time.AfterFunc(c.timeout, func() { cancel(errSlow) })
	defer slow.Stop()
	stream, err := c.Watch(call, req)
	for err == nil {
		var res *evpndv1.WatchResponse
		if res, err = stream.Recv(); err == nil {
			slow.Stop() // the first answer came; changes come when they come
			a.tell.end()
			err = a.printStep(res)
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil // interrupted, as it is meant to be
	case context.Cause(call) == errSlow:
		return errSlow
	case errors.Is(err, io.EOF):
		return errors.New("evpnd ended the watch")
	}
	return err
}

func (a *app) printStep(r *evpndv1.WatchResponse) error {
	var events []event
	if r.GetSnapshotBegin() {
		events = append(events, event{Event: "snapshot-begin"})
	}
	for _, e := range r.GetEvents() {
		events = append(events, eventOf(e))
	}
	if r.GetSnapshotEnd() {
		events = append(events, event{Event: "snapshot-end"})
	}
	if t := r.GetResumeToken(); t != "" {
		events = append(events, event{Event: "token", Token: t})
	}
	for i := range events {
		if err := a.printEvent(&events[i]); err != nil {
			return err
		}
	}
	if b, ok := a.out.(*bufio.Writer); ok {
		return b.Flush()
	}
	return nil
}

func eventOf(e *evpndv1.Event) event {
	gone := e.GetType() == evpndv1.EventType_EVENT_TYPE_DELETED
	out := event{Event: word(e.GetType())}
	switch o := e.GetObject().(type) {
	case *evpndv1.Event_Peer:
		out.Kind, out.Object, out.text = "peer", message{o.Peer}, peerLine(o.Peer, gone)
	case *evpndv1.Event_Vni:
		out.Kind, out.Object, out.text = "vni", message{o.Vni}, vniLine(o.Vni, gone)
	case *evpndv1.Event_Vtep:
		out.Kind, out.Object, out.text = "vtep", message{o.Vtep}, vtepLine(o.Vtep, gone)
	case *evpndv1.Event_Mac:
		out.Kind, out.Object, out.text = "mac", message{o.Mac}, macLine(o.Mac, gone)
	case *evpndv1.Event_Neighbor:
		out.Kind, out.Object, out.text = "neighbor", message{o.Neighbor}, neighborLine(o.Neighbor, gone)
	case *evpndv1.Event_Alarms:
		out.Kind, out.Object, out.text = "alarms", messages(o.Alarms.GetAlarms()), alarmsLine(o.Alarms.GetAlarms())
	}
	return out
}

func (a *app) printEvent(e *event) error {
	if !a.forPrograms() {
		text := e.line(time.Now())
		if text == "" {
			return nil
		}
		_, err := fmt.Fprintln(a.out, text)
		return err
	}
	text, err := toJSON(e)
	switch {
	case err != nil:
		return err
	case a.output == "yaml":
		return writeYAML(a.out, "---\n", text)
	}
	_, err = fmt.Fprintf(a.out, "%s\n", text)
	return err
}

// line is an event for a person; empty when it is for programs only.
func (e *event) line(now time.Time) string {
	at := now.Format("15:04:05.000")
	switch e.Event {
	case "token":
		return ""
	case "snapshot-begin":
		return at + " --- what there is:"
	case "snapshot-end":
		return at + " --- what changes:"
	}
	sign := "+"
	if e.Event == "deleted" {
		sign = "-"
	}
	return fmt.Sprintf("%s %s %-8s %s", at, sign, e.Kind, e.text)
}

// spaced joins the parts that are not empty.
func spaced(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "  ")
}

func peerLine(p *evpndv1.Peer, gone bool) string {
	if gone {
		return p.GetAddress()
	}
	line := spaced(p.GetAddress(), word(p.GetState()), number(p.GetRoutesReceived())+" received", number(p.GetRoutesAdvertised())+" advertised")
	if !established(p) {
		line = spaced(line, p.GetLastError())
	}
	return line
}

func vniLine(v *evpndv1.VNI, gone bool) string {
	if gone {
		return number(v.GetVni())
	}
	counts := fmt.Sprintf("%d local, %d remote MACs, %d VTEPs", v.GetLocalMacs(), v.GetRemoteMacs(), v.GetVteps())
	return spaced(number(v.GetVni()), v.GetDevice(), counts, vniState(v))
}

func vtepLine(v *evpndv1.VTEP, gone bool) string {
	if gone {
		return v.GetAddress()
	}
	return spaced(v.GetAddress(), number(v.GetMacs())+" MACs, VNIs "+vniNumbers(v.GetVnis()))
}

func macLine(m *evpndv1.MAC, gone bool) string {
	line := "vni " + number(m.GetVni()) + "  " + m.GetMac()
	if !gone {
		line = spaced(line, word(m.GetOrigin()), m.GetInterface()+m.GetVtep(), "seq "+number(m.GetSequence()), macFlags(m),
			remoteState(m.GetState(), m.GetError()), strings.Join(m.GetIps(), ","))
	}
	if m.GetLastMove() != nil {
		line = spaced(line, "last move "+moveText(m.GetLastMove()))
	}
	return line
}

func neighborLine(n *evpndv1.Neighbor, gone bool) string {
	line := "vni " + number(n.GetVni()) + "  " + n.GetIp()
	if gone {
		return line
	}
	return spaced(line, n.GetMac(), word(n.GetOrigin()), n.GetVtep(), neighborFlags(n), remoteState(n.GetState(), n.GetError()))
}

func alarmsLine(alarms []*evpndv1.Alarm) string {
	if len(alarms) == 0 {
		return "none"
	}
	lines := make([]string, len(alarms))
	for i, a := range alarms {
		lines[i] = strings.TrimSpace(a.GetKind() + " " + a.GetObject() + ": " + a.GetText() + ";")
	}
	return spaced(lines...)
}

// remoteState is the state of a remote entry; that a local one is local has
// been said.
func remoteState(state evpndv1.EntryState, err string) string {
	if state == evpndv1.EntryState_ENTRY_STATE_LOCAL {
		return ""
	}
	return withError(state, err)
}
