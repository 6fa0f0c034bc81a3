package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// eventView is one line of watch. In json each is one line, in yaml one
// document.
type eventView struct {
	Event  string `json:"event" yaml:"event"`                       // "set", "deleted", "snapshot-begin", "snapshot-end", "token"
	Kind   string `json:"kind,omitempty" yaml:"kind,omitempty"`     // of object
	Object any    `json:"object,omitempty" yaml:"object,omitempty"` // as the list command of its kind prints it
	Token  string `json:"resume_token,omitempty" yaml:"resume_token,omitempty"`
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
	var events []eventView
	if r.GetSnapshotBegin() {
		events = append(events, eventView{Event: "snapshot-begin"})
	}
	for _, e := range r.GetEvents() {
		events = append(events, viewEvent(e))
	}
	if r.GetSnapshotEnd() {
		events = append(events, eventView{Event: "snapshot-end"})
	}
	if t := r.GetResumeToken(); t != "" {
		events = append(events, eventView{Event: "token", Token: t})
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

func viewEvent(e *evpndv1.Event) eventView {
	v := eventView{Event: enum(e.GetType(), "EVENT_TYPE_")}
	switch o := e.GetObject().(type) {
	case *evpndv1.Event_Peer:
		v.Kind, v.Object = "peer", viewPeer(o.Peer)
	case *evpndv1.Event_Vni:
		v.Kind, v.Object = "vni", viewVNI(o.Vni)
	case *evpndv1.Event_Vtep:
		v.Kind, v.Object = "vtep", viewVTEP(o.Vtep)
	case *evpndv1.Event_Mac:
		v.Kind, v.Object = "mac", viewMAC(o.Mac)
	case *evpndv1.Event_Neighbor:
		v.Kind, v.Object = "neighbor", viewNeighbor(o.Neighbor)
	case *evpndv1.Event_Alarms:
		v.Kind, v.Object = "alarms", viewAlarms(o.Alarms.GetAlarms())
	}
	return v
}

func (a *app) printEvent(e *eventView) error {
	switch a.output {
	case "json":
		return json.NewEncoder(a.out).Encode(e)
	case "yaml":
		text, err := yaml.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "---\n%s", text)
		return err
	}
	text := e.text(time.Now())
	if text == "" {
		return nil
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}

// text is an event for a person; empty when it is for programs only.
func (e *eventView) text(now time.Time) string {
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
	return fmt.Sprintf("%s %s %-8s %s", at, sign, e.Kind, e.object())
}

func (e *eventView) object() string {
	gone := e.Event == "deleted"
	var parts []string
	switch o := e.Object.(type) {
	case peerView:
		parts = []string{o.Address}
		if !gone {
			parts = append(parts, o.State, number(o.Received)+" received", number(o.Advertised)+" advertised")
			if o.State != "established" {
				parts = append(parts, o.LastError)
			}
		}
	case vniView:
		parts = []string{number(o.VNI)}
		if !gone {
			parts = append(parts, o.Device, fmt.Sprintf("%d local, %d remote MACs, %d VTEPs", o.LocalMACs, o.RemoteMACs, o.VTEPs), vniState(&o))
		}
	case vtepView:
		parts = []string{o.Address}
		if !gone {
			parts = append(parts, number(o.MACs)+" MACs, VNIs "+vniNumbers(o.VNIs))
		}
	case macView:
		parts = []string{"vni " + number(o.VNI), o.MAC}
		if !gone {
			parts = append(parts, o.Origin, o.Interface+o.VTEP, "seq "+number(o.Sequence), macFlags(&o), remoteState(o.State, o.Error), strings.Join(o.IPs, ","))
		}
		if o.LastMove != nil {
			parts = append(parts, "last move "+moveText(o.LastMove))
		}
	case neighborView:
		parts = []string{"vni " + number(o.VNI), o.IP}
		if !gone {
			parts = append(parts, o.MAC, o.Origin, o.VTEP, neighborFlags(&o), remoteState(o.State, o.Error))
		}
	case []alarmView:
		if len(o) == 0 {
			return "none"
		}
		for _, a := range o {
			parts = append(parts, strings.TrimSpace(a.Kind+" "+a.Object+": "+a.Text+";"))
		}
	}
	var b []string
	for _, p := range parts {
		if p != "" {
			b = append(b, p)
		}
	}
	return strings.Join(b, "  ")
}

// remoteState is the state of a remote entry; that a local one is local has
// been said.
func remoteState(state, err string) string {
	if state == "local" {
		return ""
	}
	return withError(state, err)
}
