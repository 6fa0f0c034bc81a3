package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// The table is complete and has nothing that is not served, so that a new
// call is given its place there.
func TestEveryCallHasAnEffect(t *testing.T) {
	served := make(map[string]bool)
	for service, info := range New(Deps{}).grpc.GetServiceInfo() {
		for _, m := range info.Methods {
			method := "/" + service + "/" + m.Name
			served[method] = true
			if effects[method] == 0 {
				t.Errorf("%s is neither reading nor changing: put it into effects", method)
			}
		}
	}
	for method := range effects {
		if !served[method] {
			t.Errorf("%s is in effects and is not served", method)
		}
	}
	if len(served) < 17 {
		t.Errorf("only %d calls are served", len(served))
	}
}

func TestAuthorize(t *testing.T) {
	limited := Access{group: "netops", gid: 4242, tlsAdmins: []string{"alice"}}
	nobody := Access{tlsAdmins: []string{}}
	for name, c := range map[string]struct {
		access Access
		by     credentials.AuthInfo
		method string
		words  []string // of the refusal; none: it is allowed
	}{
		"a reader reads":          {limited, caller{local: true, uid: 54321}, evpndv1.AdminService_ListMACs_FullMethodName, nil},
		"an admin changes":        {limited, caller{local: true, admin: true}, evpndv1.AdminService_Shutdown_FullMethodName, nil},
		"a reader of the socket":  {limited, caller{local: true, uid: 54321}, evpndv1.AdminService_ResetPeer_FullMethodName, []string{"uid 54321 may only read", "ResetPeer", "root", "group netops", "api.admin-group"}},
		"a reader with a name":    {limited, caller{names: []string{"bob", "bob.example"}}, evpndv1.AdminService_Unfreeze_FullMethodName, []string{`"bob" "bob.example"`, "may only read", "Unfreeze", "api.tls.admins"}},
		"no certificate is admin": {nobody, caller{names: []string{"bob"}}, evpndv1.AdminService_ReloadConfig_FullMethodName, []string{"bob", "api.tls.admins", "none"}},
		"somebody unknown":        {Access{}, nil, evpndv1.AdminService_Shutdown_FullMethodName, []string{"without a name"}},
		"a call of nobody's":      {Access{}, caller{admin: true}, "/evpnd.v1.AdminService/Explode", []string{"Explode", "refuses"}},
	} {
		s := New(Deps{Access: c.access})
		ctx := grpcpeer.NewContext(t.Context(), &grpcpeer.Peer{AuthInfo: c.by})
		err := s.authorize(ctx, c.method)
		switch {
		case c.words == nil && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.words != nil:
			wantError(t, err, codes.PermissionDenied, c.words...)
		}
	}
}

func TestNewAccess(t *testing.T) {
	if a, err := NewAccess("", nil); err != nil || a.group != "" || a.tlsAdmins != nil {
		t.Errorf("nothing configured: %+v, %v", a, err)
	}
	if a, err := NewAccess("4242", []string{}); err != nil || a.gid != 4242 || a.tlsAdmins == nil {
		t.Errorf("a number, and nobody: %+v, %v", a, err)
	}
	if _, err := NewAccess("no-such-group", nil); err == nil || !strings.Contains(err.Error(), "api.admin-group") {
		t.Errorf("a group of no one: %v, want an error that names the key", err)
	}
}

// knock is what this test binary does as a child of itself, as another user:
// it asks the API to read and to change something, and prints the answers.
func knock(path string) {
	conn, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c := evpndv1.NewAdminServiceClient(conn)
	_, err = c.GetStatus(ctx, &evpndv1.GetStatusRequest{})
	os.Stdout.WriteString("read: " + status.Convert(err).Message() + "\n")
	_, err = c.Shutdown(ctx, &evpndv1.ShutdownRequest{})
	os.Stdout.WriteString("change: " + status.Code(err).String() + " " + status.Convert(err).Message() + "\n")
	os.Exit(0)
}

// Who is at the other end of the socket is what the kernel says.
func TestRolesOverTheSocket(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: needs root, to act as other users")
	}
	const group = 42420
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // both are this test's
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "evpnd.sock")
	l, err := Listen(ListenConfig{Address: unixAt(path), Mode: 0o666})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var shut int
	var log bytes.Buffer
	b := newBed(t, 0, nil)
	deps := b.srv.deps
	deps.Access = Access{group: "netops", gid: group}
	deps.Log = slog.New(slog.NewTextHandler(&log, nil))
	deps.Shutdown = func(bool) string {
		mu.Lock()
		defer mu.Unlock()
		shut++
		return ""
	}
	b.srv = New(deps)
	b.serve(t, l)

	many := make([]uint32, 100) // more than fit at the first try
	for i := range many {
		many[i] = uint32(50000 + i)
	}
	for name, c := range map[string]struct {
		as    syscall.Credential
		admin bool
	}{
		"root":                        {syscall.Credential{NoSetGroups: true}, true},
		"a stranger":                  {syscall.Credential{Uid: 54321, Gid: 54321}, false},
		"a stranger of many groups":   {syscall.Credential{Uid: 54321, Gid: 54321, Groups: many}, false},
		"of the group first":          {syscall.Credential{Uid: 54321, Gid: group}, true},
		"of the group too":            {syscall.Credential{Uid: 54321, Gid: 54321, Groups: []uint32{7, group}}, true},
		"of the group among too many": {syscall.Credential{Uid: 54321, Gid: 54321, Groups: append(many, group)}, true},
	} {
		cmd := exec.Command("/proc/self/exe") // where the binary is may be closed to others
		cmd.Env = append(os.Environ(), "EVPND_TEST_KNOCK="+path)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &c.as, Pdeathsig: syscall.SIGKILL}
		mu.Lock()
		before := shut
		mu.Unlock()
		out, err := cmd.Output()
		read, change, _ := strings.Cut(string(out), "\n")
		mu.Lock()
		done := shut > before
		mu.Unlock()
		switch {
		case err != nil || read != "read: ":
			t.Errorf("%s: %v, %s", name, err, out)
		case c.admin && (!done || !strings.HasPrefix(change, "change: OK")):
			t.Errorf("%s: %s", name, change)
		case !c.admin && (done || !strings.HasPrefix(change, "change: PermissionDenied uid 54321 may only read: Shutdown is for root")):
			t.Errorf("%s: %s", name, change)
		}
	}
	b.stop()
	if !strings.Contains(log.String(), "call=Shutdown by=\"user root (uid 0)\"") {
		t.Errorf("the log does not say who shut it down:\n%s", &log)
	}
}

// Over TCP the names in the certificate count, each of them.
func TestRolesOverTLS(t *testing.T) {
	ca := newAuthority(t, "ca")
	ca.issue("server", ca)
	ca.issue("alice", ca)
	ca.issue("bob", ca)
	ca.uris = []*url.URL{{Scheme: "spiffe", Host: "dc1", Path: "/operator"}}
	ca.issue("robot", ca)
	ca.uris, ca.dns = nil, []string{"noc.example"}
	ca.issue("noc", ca)

	b := newBed(t, 0, nil)
	for name, c := range map[string]struct {
		admins []string
		who    string
		admin  bool
	}{
		"no list":         {nil, "bob", true},
		"nobody":          {[]string{}, "alice", false},
		"a common name":   {[]string{"alice", "carol"}, "alice", true},
		"not in the list": {[]string{"alice"}, "bob", false},
		"a URI":           {[]string{"spiffe://dc1/operator"}, "robot", true},
		"a DNS name":      {[]string{"noc.example"}, "noc", true},
		"part of a name":  {[]string{"noc"}, "alice", false},
	} {
		l, err := Listen(ListenConfig{
			Address: tcpAt, CertFile: ca.file("server.pem"), KeyFile: ca.file("server.key"), ClientCAFile: ca.file("ca.pem"),
		})
		if err != nil {
			t.Fatal(err)
		}
		deps := b.srv.deps
		deps.Access = Access{tlsAdmins: c.admins}
		deps.Shutdown = func(bool) string { return "" }
		b.srv = New(deps)
		b.serve(t, l)

		cert, err := tls.LoadX509KeyPair(ca.file(c.who+".pem"), ca.file(c.who+".key"))
		if err != nil {
			t.Fatal(err)
		}
		creds := credentials.NewTLS(&tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13})
		conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(creds))
		if err != nil {
			t.Fatal(err)
		}
		client := evpndv1.NewAdminServiceClient(conn)
		if _, err := client.GetStatus(t.Context(), &evpndv1.GetStatusRequest{}); err != nil {
			t.Errorf("%s: reading: %v", name, err)
		}
		_, err = client.Shutdown(t.Context(), &evpndv1.ShutdownRequest{})
		if c.admin && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !c.admin {
			wantError(t, err, codes.PermissionDenied, c.who, "api.tls.admins")
		}
		_ = conn.Close()
		b.stop()
	}
}
