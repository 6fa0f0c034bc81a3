package main

import (
	"bytes"
	"context"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

var update = flag.Bool("update", false, "write testdata/printed anew")

// serve serves what fake_test.go answers until the test ends, and returns where.
func serve(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "evpnd.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	evpndv1.RegisterAdminServiceServer(srv, &daemon{})
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return socket
}

// TestPrinted holds what every command prints for programs against
// testdata/printed: names, forms and order are what scripts rely on.
func TestPrinted(t *testing.T) {
	sock := serve(t)
	other := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(other, []byte("other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string]string{
		"status":         "status",
		"peers":          "peer list",
		"peer":           "peer show 10.90.1.254",
		"vnis":           "vni list",
		"vni":            "vni show 200",
		"vteps":          "vtep list",
		"macs":           "mac list",
		"mac":            "mac show 02:42:ac:12:00:0b --vni 200",
		"mac-everywhere": "mac show 02:42:ac:12:00:0d",
		"history":        "mac history 02:42:ac:12:00:0d",
		"neighbors":      "neighbor list",
		"routes":         "route list",
		"explain":        "explain mac 02:42:ac:12:00:0b --vni 200",
		"explain-unkept": "explain mac 02:42:ac:12:00:0e --refresh always",
		"explain-vtep":   "explain vtep 172.30.0.2",
		"explain-vni":    "explain vni 300",
		"audit":          "audit",
		"repair":         "audit --repair",
		"diff":           "config diff " + other,
		"diff-none":      "config diff " + other + " --entries 0",
		"reload":         "config reload",
		"shutdown":       "shutdown --withdraw",
		"version":        "version",
		"watch":          "watch",
		"watch-kinds":    "watch --resume kinds",
		"watch-frozen":   "watch --resume frozen",
	} {
		for _, form := range []string{"json", "yaml"} {
			var out, trouble bytes.Buffer
			run(context.Background(), append(strings.Fields(command), "--api", sock, "-o", form), &out, &trouble)
			path := filepath.Join("testdata", "printed", name+"."+form)
			if *update {
				if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if out.String() != string(want) {
				t.Errorf("%s -o %s prints\n%s\nwant\n%s\n(%s)", command, form, &out, want, &trouble)
			}
		}
	}
}
