// Package text says to an operator what the packages below cmd know.
//
// These say what is so as values: a kind, and what it is about. The sentences
// are here, in one place, because they name what the daemon and the CLI have
// and a Go program that uses the packages has not: commands, flags, and keys
// of the configuration file.
package text
