package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestSecret prints a configuration in every way that comes to mind.
func TestSecret(t *testing.T) {
	const text = "correct horse"
	c := Config{BGP: BGP{Peers: []Peer{{Session: Session{Password: NewSecret(text)}}}}}
	if got := c.BGP.Peers[0].Password.Reveal(); got != text {
		t.Errorf("Reveal gives %q", got)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", c.BGP.Peers[0].Password)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("loaded", "config", c, "password", c.BGP.Peers[0].Password)
	}
	js, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(js)
	if strings.Contains(out.String(), text) || strings.Contains(out.String(), fmt.Sprintf("%x", text)) {
		t.Errorf("the secret shows in:\n%s", out.String())
	}
	if n := strings.Count(out.String(), Hidden); n < 10 {
		t.Errorf("it shows only %d times that there is a secret:\n%s", n, out.String())
	}
	if s := (Secret{}).String(); s != "" {
		t.Errorf("no secret prints as %q", s)
	}
}

// TestSecretInErrors puts a secret wherever it can be wrong.
func TestSecretInErrors(t *testing.T) {
	const text = "hunter2"
	for _, value := range []string{
		text + strings.Repeat("x", 80), "*" + text, "[" + text + "]", "{" + text + ": 1}", "&" + text, "!!int " + text, "!" + text + " {}",
	} {
		file := "bgp:\n  asn: 65000\n  peers:\n    - address: 10.0.0.1\n      asn: 65000\n      password: " + value + "\n"
		_, err := parse("evpnd.yaml", []byte(file))
		if err == nil {
			continue // taken as it stands
		}
		if strings.Contains(err.Error(), text) {
			t.Errorf("password: %s: the message tells it: %v", value, err)
		}
		if !strings.HasPrefix(err.Error(), "evpnd.yaml:6: ") {
			t.Errorf("password: %s: want a message about line 6, got %v", value, err)
		}
	}
}
