package hostile

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/test/peer"
)

// kind is what an entry of the corpus is sent as.
type kind string

const (
	kindUpdate  kind = "update"
	kindOpen    kind = "open"
	kindBytes   kind = "bytes"   // on a session
	kindGarbage kind = "garbage" // before an OPEN
)

// entry is one attack of the corpus.
type entry struct {
	Name, Rule string
	Want       []string // the outcome and its arguments
	lines      []string
}

// vars is what the words in braces stand for.
type vars struct {
	source, source6 peer.Source
	first           int // number of the MAC of {route}; that of {good} is the next
}

func (v vars) replacer() *strings.Replacer {
	x := hex.EncodeToString
	nh := func(a ...netip.Addr) string {
		var b []byte
		for _, a := range a {
			b = append(b, a.AsSlice()...)
		}
		return "001946" + x([]byte{byte(len(b))}) + x(b) + "00"
	}
	rd, mac := v.source.RD(), peer.MAC(v.first)
	v6, local := v.source6.VTEP, netip.MustParseAddr("fe80::1")
	return strings.NewReplacer(
		"{nh4}", nh(v.source.VTEP), "{nh16}", nh(v6), "{nh32}", nh(v6, local),
		"{route}", x(v.source.MACRoute(v.first)), "{good}", x(v.source.MACRoute(v.first+1)), "{route6}", x(v.source6.MACRoute(v.first)),
		"{rd}", x(rd[:]), "{esi0}", strings.Repeat("00", 10), "{mac}", x(mac[:]), "{ff16}", strings.Repeat("ff", 16), " ", "",
	)
}

// parse reads the sections of a file of the corpus.
func parse(name string, text []byte) ([]entry, error) {
	var out []entry
	for _, f := range txtar.Parse(text).Files {
		e := entry{Name: f.Name}
		for line := range strings.Lines(string(f.Data)) {
			line = strings.TrimSpace(line)
			rule, isRule := strings.CutPrefix(line, "# ")
			want, isWant := strings.CutPrefix(line, "want ")
			switch {
			case isRule:
				e.Rule = strings.TrimSpace(e.Rule + " " + rule)
			case isWant:
				e.Want = strings.Fields(want)
			case line != "":
				e.lines = append(e.lines, line)
			}
		}
		if e.Rule == "" || len(e.Want) == 0 || len(e.lines) == 0 {
			return nil, fmt.Errorf("%s: %s: want a rule (# ...), an outcome (want ...) and bytes", name, e.Name)
		}
		out = append(out, e)
	}
	return out, nil
}

// uses tells whether a word in braces is in the entry.
func (e *entry) uses(word string) bool {
	return strings.Contains(strings.Join(e.lines, "\n"), "{"+word+"}")
}

// assemble makes the bytes of an entry: of an update and an open the body.
func (e *entry) assemble(v vars) (kind, []byte, error) {
	k := kindUpdate
	var attrs, withdrawn, nlri, whole, total []byte
	r := v.replacer()
	for _, line := range e.lines {
		key, value, _ := strings.Cut(line, ":")
		b, err := hex.DecodeString(r.Replace(value))
		if err != nil {
			return k, nil, fmt.Errorf("%s: %q: %w", e.Name, line, err)
		}
		switch key {
		case "common":
			attrs = append(attrs, v.source.Common()...)
		case "common6":
			attrs = append(attrs, v.source6.Common()...)
		case "reach":
			attrs = append(attrs, peer.Attr(0x80, 14, b)...)
		case "unreach":
			attrs = append(attrs, peer.MPUnreach(b)...)
		case "raw":
			attrs = append(attrs, b...)
		case "withdrawn":
			withdrawn = append(withdrawn, b...)
		case "nlri":
			nlri = append(nlri, b...)
		case "total":
			total = b
		case "open", "bytes", "garbage":
			k, whole = kind(key), append(whole, b...)
		default:
			a, err := attribute(key, b)
			if err != nil {
				return k, nil, fmt.Errorf("%s: %q: %w", e.Name, line, err)
			}
			attrs = append(attrs, a...)
		}
	}
	if k != kindUpdate {
		return k, whole, nil
	}
	if total == nil {
		total = binary.BigEndian.AppendUint16(nil, uint16(len(attrs)))
	}
	length := binary.BigEndian.AppendUint16(nil, uint16(len(withdrawn)))
	return k, bytes.Join([][]byte{length, withdrawn, total, attrs, nlri}, nil), nil
}

// attribute makes an attribute of a key such as "40 01" or "40 01=ff".
func attribute(key string, v []byte) ([]byte, error) {
	key, length, lies := strings.Cut(key, "=")
	head, err := hex.DecodeString(strings.ReplaceAll(key, " ", ""))
	if err != nil || len(head) != 2 {
		return nil, fmt.Errorf("want FLAGS TYPE")
	}
	if !lies {
		return peer.Attr(head[0], head[1], v), nil
	}
	l, err := hex.DecodeString(length)
	return append(append(head, l...), v...), err
}

// notification reads CODE/SUBCODE.
func notification(s string) (*wire.Notification, error) {
	code, sub, _ := strings.Cut(s, "/")
	c, err := strconv.ParseUint(code, 10, 8)
	if err != nil {
		return nil, err
	}
	d, err := strconv.ParseUint(sub, 10, 8)
	return &wire.Notification{Code: uint8(c), Subcode: uint8(d)}, err
}

// samples are the words in braces of the seeds that the fuzz targets get.
var samples = vars{
	source:  peer.Source{AS: 65000, VNI: 100, VTEP: netip.MustParseAddr("192.0.2.1")},
	source6: peer.Source{AS: 65000, VNI: evpn.VNI(106), VTEP: netip.MustParseAddr("2001:db8::1")},
	first:   1,
}
