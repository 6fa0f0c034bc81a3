package config

import "log/slog"

// Secret is text that must not be seen in a log, an error or an API answer:
// every way to print it gives [Hidden]. Secrets compare with ==.
type Secret struct{ text string }

// Hidden stands for a secret wherever one would be printed.
const Hidden = "(hidden)"

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text itself, for the one place that needs it.
func (s Secret) Reveal() string { return s.text }

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s.text == "" }

func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return Hidden
}

// GoString is for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue is for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is for encoding/json and others; there is no way back.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
