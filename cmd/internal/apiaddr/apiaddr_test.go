package apiaddr

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]Addr{
		Default:                      {"unix", "/run/evpnd/evpnd.sock"},
		"/run/evpnd/evpnd.sock":      {"unix", "/run/evpnd/evpnd.sock"},
		"unix:///run//evpnd/../s":    {"unix", "/run/s"},
		"unix:///run/a b%20c?d#e":    {"unix", "/run/a b%20c?d#e"},
		"tcp://192.0.2.1:50051":      {"tcp", "192.0.2.1:50051"},
		"tcp://[2001:db8::1]:50051/": {"tcp", "[2001:db8::1]:50051"},
		"tcp://vtep1.example:50051":  {"tcp", "vtep1.example:50051"},
		"tcp://[fe80::1%eth0]:1":     {"tcp", "[fe80::1%eth0]:1"},
		"tcp://[fe80::1%25eth0]:1":   {"tcp", "[fe80::1%eth0]:1"}, // as in a URI
	} {
		got, err := Parse(in)
		if got != want || err != nil {
			t.Errorf("Parse(%q) = %v, %v, want %v", in, got, err, want)
		}
		if again, err := Parse(got.String()); again != got || err != nil {
			t.Errorf("Parse(%q) = %v, %v, want %v", got, again, err, got)
		}
	}
	for in, word := range map[string]string{
		"":                                    "unix:///path",
		"evpnd":                               "unix:///path",
		"ftp://x":                             "unix:///path",
		"tcp://":                              "tcp://host:port",
		"tcp://192.0.2.1":                     "tcp://host:port",
		"tcp://192.0.2.1:1/x":                 "tcp://host:port",
		"tcp://:1":                            "tcp://host:port",
		"tcp://192.0.2.1:":                    "tcp://host:port",
		"tcp://192.0.2.1:one":                 "tcp://host:port",
		"tcp://me@192.0.2.1:1":                "tcp://host:port",
		"tcp://2001:db8::1:1":                 "tcp://host:port",
		"127.0.0.1:50051":                     "tcp://host:port",
		"unix://run/evpnd.sock":               "three slashes",
		"unix://":                             "three slashes",
		"unix:///" + strings.Repeat("x", 108): "107",
	} {
		if a, err := Parse(in); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("Parse(%q) = %v, %v, want an error with %q", in, a, err, word)
		}
	}
}

func TestParseListen(t *testing.T) {
	for in, want := range map[string]Addr{
		Default:                  {"unix", "/run/evpnd/evpnd.sock"},
		"tcp://192.0.2.1:50051":  {"tcp", "192.0.2.1:50051"},
		"tcp://[0::1]:1":         {"tcp", "[::1]:1"},
		"tcp://[fe80::1%eth0]:1": {"tcp", "[fe80::1%eth0]:1"},
	} {
		if got, err := ParseListen(in); got != want || err != nil {
			t.Errorf("ParseListen(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for in, word := range map[string]string{
		"unix://evpnd.sock":     "three slashes",
		"tcp://localhost:50051": "an IP address and a port",
		"tcp://127.0.0.1:0":     "an IP address and a port",
		"tcp://127.0.0.1:70000": "tcp://host:port",
	} {
		if a, err := ParseListen(in); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("ParseListen(%q) = %v, %v, want an error with %q", in, a, err, word)
		}
	}
}
