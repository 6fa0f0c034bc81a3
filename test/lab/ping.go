package lab

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PingResult is what ping said when it ended.
type PingResult struct {
	Transmitted, Received int
	Summary               string // the line with both
	Output                string // all that ping printed
}

// Lost returns how many were not answered.
func (r PingResult) Lost() int { return r.Transmitted - r.Received }

// pingSummary matches the summary of iputils and of busybox.
var pingSummary = regexp.MustCompile(`(\d+) packets transmitted, (\d+) (?:packets )?received.*`)

func parsePing(out string) (PingResult, error) {
	m := pingSummary.FindStringSubmatch(out)
	if m == nil {
		return PingResult{}, fmt.Errorf("no summary in the output of ping:\n%s", indent(out))
	}
	r := PingResult{Summary: m[0], Output: out}
	r.Transmitted, _ = strconv.Atoi(m[1]) // digits, by the expression
	r.Received, _ = strconv.Atoi(m[2])
	return r, nil
}

// Ping sends count echo requests and returns ping's summary. It waits a
// second for the last answer.
func (n *NS) Ping(to netip.Addr, count int, interval time.Duration) PingResult {
	n.lab.Helper()
	out, _ := n.Run(pingArgs(to, interval, "-c", strconv.Itoa(count))...) // lost ones are an error for ping, not for us
	r, err := parsePing(out)
	if err != nil {
		n.lab.Fatalf("lab: %s: %v", n.Short, err)
	}
	return r
}

// Reach waits until to answers from n, for the first packets may meet a
// network that is still being set up.
func (n *NS) Reach(to netip.Addr, d time.Duration) {
	n.lab.Helper()
	n.lab.Until(d, fmt.Sprintf("%s reaches %v", n.Short, to), func() (bool, string) {
		r := n.Ping(to, 1, time.Second)
		return r.Received > 0, r.Output
	})
}

// Pinging is a ping that goes on.
type Pinging struct{ *Proc }

// StartPing sends an echo request each interval until Stop, not counting the
// time that ping takes to notice that it is over. more are options of ping.
func (n *NS) StartPing(to netip.Addr, interval time.Duration, more ...string) Pinging {
	n.lab.Helper()
	name := fmt.Sprintf("ping-%d", time.Now().UnixNano())
	return Pinging{n.Start(name, pingArgs(to, interval, more...)...)}
}

// Stop ends the ping and returns its summary.
func (p Pinging) Stop() PingResult {
	p.lab.Helper()
	p.Signal(syscall.SIGINT)
	select {
	case <-p.Done():
	case <-time.After(5 * time.Second):
		p.lab.Fatalf("%s did not end", p.Name)
	}
	r, err := parsePing(p.Output())
	if err != nil {
		p.lab.Fatalf("lab: %s: %v", p.Name, err)
	}
	return r
}

// Answers returns how many echo replies have come so far.
func (p Pinging) Answers() int { return strings.Count(p.Output(), "bytes from") }

func pingArgs(to netip.Addr, interval time.Duration, more ...string) []string {
	family := "-4"
	if to.Is6() {
		family = "-6"
	}
	args := []string{"ping", family, "-n", "-i", fmt.Sprintf("%.3f", interval.Seconds()), "-W", "1"}
	return append(append(args, more...), to.String())
}
