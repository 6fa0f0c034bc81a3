package lab

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// Get reads a page over HTTP from inside the namespace.
func (n *NS) Get(url string) (status int, body string, err error) {
	dial := func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		err = n.Do(func() (err error) {
			c, err = (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, addr)
			return err
		})
		return c, err
	}
	web := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	res, err := web.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}
