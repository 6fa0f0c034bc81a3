package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What go test really writes is reported, for packages of each kind.
func TestReport(t *testing.T) {
	for _, tt := range []struct {
		name, test string
		strict, ok bool
		want       []string
		not        string
	}{
		{
			name: "passes", test: `t.Log("chatter")`, ok: true, strict: true,
			want: []string{"ok  \texample/p", "1 packages, 1 tests passed, 0 failed, 0 skipped", "passed, nothing was skipped"}, not: "chatter",
		},
		{
			name: "fails", test: `t.Error("the sky fell")`,
			want: []string{"the sky fell", "FAILED  example/p TestIt", "== FAILED"},
		},
		{
			name: "panics", test: `panic("the sky fell")`,
			want: []string{"the sky fell", "FAILED  example/p", "== FAILED"},
		},
		{
			name: "does not build", test: `nonsense`,
			want: []string{"undefined: nonsense", "does not build", "== FAILED"},
		},
		{
			name: "is skipped", test: `t.Skip("needs a moon")`, ok: true,
			want: []string{"1 skipped", "   needs a moon\n           example/p TestIt", "passed, but for what was skipped"},
		},
		{
			name: "is skipped where that is not allowed", test: `t.Skip("needs a moon")`, strict: true,
			want: []string{"needs a moon", "== FAILED (nothing may be skipped here)"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "go.mod"), "module example/p\n\ngo 1.21\n")
			write(t, filepath.Join(dir, "p_test.go"),
				"package p\n\nimport \"testing\"\n\nfunc TestIt(t *testing.T) {\n\t"+tt.test+"\n}\n")
			cmd := exec.Command("go", "test", "-json", "-count=1", "./...")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod")
			in, _ := cmd.Output() // go test's status is what is to be found out from its output
			var out strings.Builder
			if got := report(strings.NewReader(string(in)), &out, tt.strict); got != tt.ok {
				t.Errorf("reported %v, want %v", got, tt.ok)
			}
			for _, w := range tt.want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("the report lacks %q", w)
				}
			}
			if tt.not != "" && strings.Contains(out.String(), tt.not) {
				t.Errorf("the report repeats %q of a test that passed", tt.not)
			}
			if t.Failed() {
				t.Logf("reported:\n%s\nof:\n%s", out.String(), in)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
