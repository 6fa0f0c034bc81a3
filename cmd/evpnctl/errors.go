package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// explain puts an error of a call into words that say what to do, and keeps
// other errors as they are.
func (c *client) explain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errSlow) {
		if fail := c.failure(); fail != nil {
			return c.unreachable(fail)
		}
		return fmt.Errorf("evpnd at %s did not answer within %s (--timeout sets how long to wait)", c.target.name, c.timeout)
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	text := s.Message()
	switch s.Code() {
	case codes.InvalidArgument:
		return usageError{errors.New(text)}
	case codes.Unavailable:
		if fail := c.failure(); fail != nil {
			return c.unreachable(fail)
		}
		if strings.Contains(text, "closing transport") || strings.Contains(text, "error reading from server") {
			return fmt.Errorf("the connection to evpnd at %s broke: it has ended or restarted; try again", c.target.name)
		}
		return errors.New(text)
	case codes.Unimplemented:
		return fmt.Errorf("the evpnd at %s does not know this request: it and this evpnctl (%s) are of different versions", c.target.name, version)
	case codes.Canceled:
		return context.Canceled
	}
	return errors.New(text)
}

// unreachable says why there is no connection.
func (c *client) unreachable(err error) error {
	const other = "--api names another socket"
	at := "cannot reach evpnd at " + c.target.name
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: no such file; is evpnd running? (%s)", at, other)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: permission denied; be root, or %s", at, groupHint(c.target.addr))
	case errors.Is(err, syscall.ECONNREFUSED) && c.target.network == "unix":
		return fmt.Errorf("%s: nobody listens on this socket any more; is evpnd running? (%s)", at, other)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: connection refused; does evpnd listen there? (api.listen in its configuration)", at)
	}
	var alert *net.OpError
	if errors.As(err, &alert) && alert.Op == "remote error" {
		return fmt.Errorf("%s: it does not accept the certificate: %w (--tls-cert must be signed by the CA that evpnd trusts for clients)", at, alert.Err)
	}
	return fmt.Errorf("%s: %w", at, err)
}

// groupHint says which group may use the socket, or how to let one.
func groupHint(path string) string {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil || st.Gid == 0 {
		return "have the socket given to a group you are in (api.group in evpnd's configuration)"
	}
	name := strconv.FormatUint(uint64(st.Gid), 10)
	if g, err := user.LookupGroupId(name); err == nil {
		name = g.Name
	}
	return fmt.Sprintf("in the group %s, which may use the socket", name)
}
