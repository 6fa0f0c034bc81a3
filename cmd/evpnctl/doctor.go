package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evpnd/evpnd/cmd/evpnctl/internal/doctor"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// Exit statuses of doctor besides those of all commands.
const (
	exitWarnings = 3
	exitErrors   = 4
)

// diagnosis is what doctor found, as an error that has its exit status.
type diagnosis struct{ errors, warnings, notes int }

func (d diagnosis) Error() string {
	return fmt.Sprintf("%d errors and %d warnings were found", d.errors, d.warnings)
}

func (d diagnosis) status() int {
	if d.errors > 0 {
		return exitErrors
	}
	return exitWarnings
}

// defaultConfig is where evpnd has its configuration unless it is told
// otherwise.
const defaultConfig = "/etc/evpnd/evpnd.yaml"

// fabricTimeout is how long to wait for evpnd to look through all routes,
// unless --timeout says so; reachTimeout for it to answer at all.
const (
	fabricTimeout = time.Minute
	reachTimeout  = 3 * time.Second
)

func (a *app) doctorCommand() *cobra.Command {
	var config string
	var hostOnly bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find what is wrong with the host and the fabric, with the commands that mend it",
		Long: `Look at what the VXLAN of this host rests on (devices, bridges, MTU, addresses,
kernel settings, privileges) and at what evpnd hears from the fabric. Each finding
says what comes of it and, where there is one way, the command that mends it.
Nothing is changed.

The host is looked at in the network namespace that evpnctl runs in, whether
evpnd runs or not; what is to be there is taken from the configuration, where it
can be read, and from the evpnd that runs. The fabric is what evpnd has heard of.

Exit status: 0 nothing is wrong, 3 there are warnings, 4 there are errors; 1 it
could not look, 2 the command is wrong.`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			expected, err := doctor.LoadExpected(config)
			if err != nil && cmd.Flags().Changed("config") {
				return fmt.Errorf("--config: %w", err)
			}
			var faults []*evpndv1.Fault
			if !hostOnly {
				if !cmd.Flags().Changed("timeout") {
					a.timeout = fabricTimeout
				}
				faults = a.fabric(cmd.Context(), &expected)
			}
			host, err := doctor.Read(expected)
			if err != nil {
				return err
			}
			for _, f := range doctor.Examine(host) {
				faults = append(faults, &evpndv1.Fault{
					Check: f.Check, Severity: severity(f.Severity), Object: f.Object, Text: f.Text, Effect: f.Effect, Fix: f.Fix,
				})
			}
			return a.showFaults(faults)
		},
	}
	cmd.Flags().StringVar(&config, "config", defaultConfig, "evpnd's configuration `FILE`, which says what is to be on the host")
	cmd.Flags().BoolVar(&hostOnly, "host-only", false, "look at the host alone, and do not ask evpnd")
	return cmd
}

// fabric asks evpnd what is wrong in the fabric, and what expected does not say
// yet. That it cannot be asked is a finding, and no reason not to look at the
// host.
func (a *app) fabric(ctx context.Context, expected *doctor.Expected) (out []*evpndv1.Fault) {
	err := a.with(func(c *client) error {
		quick, cancel := context.WithTimeout(ctx, min(reachTimeout, a.timeout))
		defer cancel()
		st, err := call(quick, c, admin.GetStatus, &evpndv1.GetStatusRequest{})
		if err != nil {
			if quick.Err() != nil && ctx.Err() == nil {
				return errSlow
			}
			return err
		}
		if vteps := st.GetStatus().GetVteps(); !expected.VTEP.IsValid() && len(vteps) == 1 {
			expected.VTEP, _ = netip.ParseAddr(vteps[0])
		}
		err = each(ctx, c, admin.ListVTEPs, &evpndv1.ListVTEPsRequest{}, func(r *evpndv1.ListVTEPsResponse) error {
			for _, v := range r.GetVteps() {
				if ip, err := netip.ParseAddr(v.GetAddress()); err == nil {
					expected.Others = append(expected.Others, ip)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		res, err := call(ctx, c, admin.CheckFabric, &evpndv1.CheckFabricRequest{})
		if status.Code(err) == codes.Unimplemented {
			return err
		}
		out = res.GetFaults()
		return err
	})
	if err != nil {
		out = append(out, &evpndv1.Fault{
			Check: "no-evpnd", Severity: evpndv1.Severity_SEVERITY_NOTE, Text: err.Error(),
			Effect: "the fabric was not looked at, and what is to be on the host is taken from --config alone",
		})
	}
	return out
}

func severity(s doctor.Severity) evpndv1.Severity {
	return evpndv1.Severity(evpndv1.Severity_value["SEVERITY_"+strings.ToUpper(string(s))])
}

// showFaults prints the findings, the worst first, and fails when something is
// to be mended.
func (a *app) showFaults(faults []*evpndv1.Fault) error {
	slices.SortStableFunc(faults, func(x, y *evpndv1.Fault) int { return int(y.GetSeverity() - x.GetSeverity()) })
	var d diagnosis
	for _, f := range faults {
		switch f.GetSeverity() {
		case evpndv1.Severity_SEVERITY_ERROR:
			d.errors++
		case evpndv1.Severity_SEVERITY_WARNING:
			d.warnings++
		default:
			d.notes++
		}
	}
	if err := a.printFaults(faults, d); err != nil {
		return err
	}
	if d.errors+d.warnings > 0 {
		return d
	}
	return nil
}

func (a *app) printFaults(faults []*evpndv1.Fault, d diagnosis) error {
	if a.forPrograms() {
		return all(a, faults, nil)
	}
	var s strings.Builder
	for _, f := range faults {
		writeFault(&s, f)
	}
	plural := func(n int, word string) string {
		if n == 1 {
			return "1 " + word
		}
		return fmt.Sprintf("%d %ss", n, word)
	}
	fmt.Fprintf(&s, "%s, %s, %s\n", plural(d.errors, "error"), plural(d.warnings, "warning"), plural(d.notes, "note"))
	_, err := io.WriteString(a.out, s.String())
	return err
}

func writeFault(s *strings.Builder, f *evpndv1.Fault) {
	object := f.GetObject()
	if object != "" {
		object += ": "
	}
	fmt.Fprintf(s, "%-8s %s%s [%s]\n", word(f.GetSeverity()), plain(object), plain(f.GetText()), f.GetCheck())
	fmt.Fprintf(s, "  causes %s\n", plain(f.GetEffect()))
	for _, c := range f.GetFix() {
		fmt.Fprintf(s, "  fix    %s\n", plain(c))
	}
	if f.GetFixOn() != "" && len(f.GetFix()) > 0 {
		fmt.Fprintf(s, "  on     %s\n", f.GetFixOn())
	}
}

// plain leaves out what a terminal would take for more than text: the name of
// a device can hold anything.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
