package pages

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Page is a page in Markdown, as far as it is looked at here.
type Page struct {
	Name     string // its path from the root of the repository
	Blocks   []Block
	Spans    []Span // what stands between backquotes, outside of blocks
	Links    []Span // where links lead, as it is written
	Headings []string
}

// Block is a fenced block of a page.
type Block struct {
	Page, Lang, Text string
	Line             int // of its first line
}

// Span is a part of a line.
type Span struct {
	Page, Text string
	Line       int
}

func (b Block) String() string { return fmt.Sprintf("%s:%d", b.Page, b.Line) }

func (s Span) String() string { return fmt.Sprintf("%s:%d", s.Page, s.Line) }

var (
	code    = regexp.MustCompile("`([^`]+)`")
	link    = regexp.MustCompile(`\]\(([^) ]+)\)`)
	heading = regexp.MustCompile(`^#+ +(.*)$`)
)

// Read reads the page with that path from the root. Markdown that it would
// read wrongly is an error.
func Read(root, name string) (*Page, error) {
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return nil, err
	}
	p := &Page{Name: name}
	var in *Block
	var prose strings.Builder // the page with its blocks made blank, so that lines count as before
	number, blank := 0, true
	for line := range strings.Lines(string(b)) {
		number++
		text := strings.TrimRight(line, "\n")
		fence, isFence := strings.CutPrefix(text, "```")
		switch {
		case in != nil && text == "```":
			p.Blocks = append(p.Blocks, *in)
			in, line = nil, "\n"
		case in != nil:
			in.Text += line
			line = "\n"
		case isFence:
			in = &Block{Page: name, Lang: fence, Line: number + 1}
			line = "\n"
		case blank && strings.HasPrefix(text, "    "):
			return nil, fmt.Errorf("%s:%d: an indented block: use ```", name, number)
		case heading.MatchString(text):
			p.Headings = append(p.Headings, heading.FindStringSubmatch(text)[1])
		}
		prose.WriteString(line)
		blank = text == ""
	}
	if in != nil {
		return nil, fmt.Errorf("%v: the block does not end", in)
	}
	for start, text := range paragraphs(prose.String()) {
		if strings.Contains(text, "``") || strings.Count(text, "`")%2 != 0 {
			return nil, fmt.Errorf("%s:%d: a backquote too many in this paragraph", name, start)
		}
		p.Spans = append(p.Spans, spans(code, name, start, text)...)
		p.Links = append(p.Links, spans(link, name, start, text)...)
	}
	slices.SortFunc(p.Spans, func(a, b Span) int { return a.Line - b.Line })
	return p, nil
}

// paragraphs returns what stands between blank lines, by the number of its
// first line.
func paragraphs(text string) map[int]string {
	all := map[int]string{}
	number, start := 0, 0
	for line := range strings.Lines(text) {
		number++
		if strings.TrimSpace(line) == "" {
			start = 0
			continue
		}
		if start == 0 {
			start = number
		}
		all[start] += line
	}
	return all
}

// spans returns the first group of each match of a pattern in a text that
// begins in the line start. A line end within is a space.
func spans(pattern *regexp.Regexp, page string, start int, text string) (found []Span) {
	for _, m := range pattern.FindAllStringSubmatchIndex(text, -1) {
		found = append(found, Span{
			Page: page, Line: start + strings.Count(text[:m[2]], "\n"),
			Text: strings.ReplaceAll(strings.ReplaceAll(text[m[2]:m[3]], "\n", " "), `\|`, "|"),
		})
	}
	return found
}

// All reads README.md, the pages of docs/ and its decisions.
func All(root string) (pages []*Page, err error) {
	names := []string{filepath.Join(root, "README.md")}
	for _, pattern := range []string{"docs/*.md", "docs/adr/*.md"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern)) // the pattern is well-formed
		names = append(names, found...)
	}
	for _, name := range names {
		name, err := filepath.Rel(root, name)
		if err != nil {
			return nil, err
		}
		p, err := Read(root, filepath.ToSlash(name))
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return pages, nil
}

// Commands returns the commands of a block: all of it, and in one of the kind
// console what stands behind "$ ".
func (b Block) Commands() string {
	if b.Lang != "console" {
		return b.Text
	}
	var commands strings.Builder
	for line := range strings.Lines(b.Text) {
		if c, ok := strings.CutPrefix(line, "$ "); ok {
			commands.WriteString(c)
		}
	}
	return commands.String()
}

// Output returns the lines that a block of the kind console says are printed.
// "..." stands for lines that are left out and is not among them.
func (b Block) Output() (lines []string) {
	for line := range strings.Lines(b.Text) {
		line = strings.TrimSpace(line)
		if line != "" && line != "..." && !strings.HasPrefix(line, "$ ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// What differs from run to run: numbers, whatever they count, times and
// addresses, and how wide a column is.
var (
	varies = regexp.MustCompile(`\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b|\d+([.:]\d+)*`)
	width  = regexp.MustCompile(` +`)
)

// Shape returns a line of output without what differs from run to run.
func Shape(line string) string {
	return width.ReplaceAllString(varies.ReplaceAllString(strings.TrimSpace(line), "N"), " ")
}

// Missing returns those of the lines that a page shows which are in no line of
// an output, what differs from run to run left out. The order is not looked at:
// the kernel lists its entries in whatever order.
func Missing(shown []string, output string) (missing []string) {
	printed := map[string]bool{}
	for line := range strings.Lines(output) {
		printed[Shape(line)] = true
	}
	for _, line := range shown {
		if !printed[Shape(line)] {
			missing = append(missing, line)
		}
	}
	return missing
}

// Shown holds what the blocks of a page that begin so show against what was
// printed, and returns an error with what is not there. A page without such a
// block is an error too.
func Shown(root, page, begins, printed string) error {
	p, err := Read(root, page)
	if err != nil {
		return err
	}
	var wrong []string
	blocks := 0
	for _, b := range p.Blocks {
		if !strings.HasPrefix(b.Text, begins) {
			continue
		}
		blocks++
		for _, line := range Missing(b.Output(), printed) {
			wrong = append(wrong, fmt.Sprintf("%v: %s", b, line))
		}
	}
	if blocks == 0 {
		return fmt.Errorf("%s has no block that begins with %q", page, begins)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("shown and not printed:\n%s", strings.Join(wrong, "\n"))
	}
	return nil
}
