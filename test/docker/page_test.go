//go:build !race

package docker

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// block is a fenced block of commands of a page.
type block struct {
	host string // whose it is, "" for every one
	text string
	line int
}

// A host is named in a comment above its block.
var onHost = regexp.MustCompile(`^<!-- ([a-z]+) -->$`)

// blocks returns the commands of a page in their order.
func blocks(t *testing.T, file string) (found []block) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var in *block
	host := ""
	number := 0
	for line := range strings.Lines(string(b)) {
		number++
		text := strings.TrimRight(line, "\n")
		switch {
		case in != nil && text == "```":
			found = append(found, *in)
			in, host = nil, ""
		case in != nil:
			in.text += line
		case text == "```sh":
			in = &block{host: host, line: number}
		case onHost.MatchString(text):
			host = onHost.FindStringSubmatch(text)[1]
		}
	}
	if in != nil || len(found) == 0 {
		t.Fatalf("%s: %d blocks of commands, and one that does not end: %v", file, len(found), in != nil)
	}
	return found
}
