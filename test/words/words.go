// Package words holds the names in the code to the glossary of
// docs/architecture.md: what its last column lists is the name of no file, type,
// function, method, field, constant or package-level variable.
package words

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"strings"
	"unicode"
)

// Glossary reads the words that have another one in their place: the word to use,
// by the word that is not used.
func Glossary(page io.Reader) (map[string]string, error) {
	words := make(map[string]string)
	in := false
	lines := bufio.NewScanner(page)
	for lines.Scan() {
		cells := strings.Split(strings.Trim(lines.Text(), "|"), "|")
		switch {
		case strings.HasPrefix(lines.Text(), "## "):
			in = lines.Text() == "## Words"
		case in && len(cells) == 3 && strings.HasPrefix(lines.Text(), "|"):
			use := strings.TrimSpace(cells[0])
			for old := range strings.SplitSeq(cells[2], ",") {
				if old = strings.TrimSpace(old); old != "" && !strings.HasPrefix(old, "-") && use != "word" {
					words[old] = use
				}
			}
		}
	}
	return words, lines.Err()
}

// Name is a name that is declared, or that of a file.
type Name struct {
	Pos  string // file:line, for the message
	Name string
}

// Names returns what a Go file declares for others to see, and its own name.
func Names(file string, src any) ([]Name, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	names := []Name{{file, strings.TrimSuffix(filepath.Base(file), ".go")}}
	add := func(ids ...*ast.Ident) {
		for _, id := range ids {
			at := set.Position(id.Pos())
			names = append(names, Name{fmt.Sprintf("%s:%d", file, at.Line), id.Name})
		}
	}
	for _, d := range tree.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			add(d.Name)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					add(s.Names...)
				case *ast.TypeSpec:
					add(s.Name)
					ast.Inspect(s.Type, func(n ast.Node) bool {
						if f, ok := n.(*ast.Field); ok {
							add(f.Names...)
						}
						_, signature := n.(*ast.FuncType)
						return !signature // its parameters are nobody's names
					})
				}
			}
		}
	}
	return names, nil
}

// Check returns a sentence for a name that has a word of words in it, and ""
// for any other.
func Check(words map[string]string, n Name) string {
	for _, w := range split(n.Name) {
		if use, ok := words[w]; ok {
			return fmt.Sprintf("%s: %s has the word %q, for which the glossary of docs/architecture.md says: %s", n.Pos, n.Name, w, use)
		}
	}
	return ""
}

// split cuts a name into its words, in lower case: flood_hold, floodHold and
// FloodHold are two, VTEPs is one.
func split(name string) []string {
	var words []string
	runes := []rune(name)
	begin := 0
	cut := func(i int) {
		if i > begin {
			words = append(words, strings.ToLower(string(runes[begin:i])))
		}
		begin = i
	}
	for i, r := range runes {
		switch {
		case r == '_' || unicode.IsDigit(r):
			cut(i)
			begin = i + 1
		case unicode.IsUpper(r) && (i > 0 && unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && runes[i+1] != 's'):
			cut(i)
		}
	}
	cut(len(runes))
	return words
}
