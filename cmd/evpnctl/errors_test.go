package main

import (
	"errors"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Root may do everything, so what others are told is tried without a socket.
func TestPermissionDeniedSaysWhoMay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evpnd.sock")
	if err := os.WriteFile(path, nil, 0o660); err != nil {
		t.Fatal(err)
	}
	c := &client{target: &target{network: "unix", addr: path, name: "unix://" + path}}
	c.note(&net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)})
	say := func(hint string) {
		t.Helper()
		got := c.explain(status.Error(codes.Unavailable, "connection error")).Error()
		if want := "cannot reach evpnd at unix://" + path + ": permission denied; be root, or " + hint; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if os.Getuid() == 0 {
		const nobodys = 54321
		if err := os.Chown(path, 0, nobodys); err != nil {
			t.Fatal(err)
		}
		say("in the group 54321, which may use the socket")
		if err := os.Chown(path, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if gid := os.Getgid(); gid != 0 {
		name := strconv.Itoa(gid)
		if g, err := user.LookupGroupId(name); err == nil {
			name = g.Name
		}
		say("in the group " + name + ", which may use the socket")
	} else {
		say("have the socket given to a group you are in (api.group in evpnd's configuration)")
	}
}

func TestExplain(t *testing.T) {
	c := &client{target: &target{name: "unix:///run/evpnd/evpnd.sock"}}
	for _, tt := range []struct {
		err   error
		want  string
		usage bool
	}{
		{status.Error(codes.InvalidArgument, "VNI 0"), "VNI 0", true},
		{status.Error(codes.NotFound, "there is no peer 10.0.0.9"), "there is no peer 10.0.0.9", false},
		{status.Error(codes.Unavailable, "error reading from server: EOF"), "it has ended or restarted; try again", false},
		{status.Error(codes.Unimplemented, "unknown method"), "of different versions", false},
		{errors.New("cannot write"), "cannot write", false},
	} {
		got := c.explain(tt.err)
		var usage usageError
		if !strings.Contains(got.Error(), tt.want) || strings.Contains(got.Error(), "rpc error") || errors.As(got, &usage) != tt.usage {
			t.Errorf("%v is explained as %q, want %q (usage %v)", tt.err, got, tt.want, tt.usage)
		}
	}
}
