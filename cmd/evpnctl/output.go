package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// formats are the values of -o.
var formats = []string{"table", "wide", "json", "yaml"}

// column is one of a table; wide ones are shown with -o wide.
type column[T any] struct {
	name string
	wide bool
	text func(*T) string
}

// printer prints objects as they come: json as one array, yaml as one
// sequence, and a table whose widths are those of the first rows.
type printer[T any] struct {
	out     io.Writer
	format  string
	columns []column[T]
	tell    *progress
	scrolls bool // what is printed is seen as it comes

	n      int
	rows   [][]string // of a table, not yet printed
	widths []int
}

// settleRows is how many rows are looked at before the widths of a table are
// settled; later rows widen it where they must.
const settleRows = 1000

func newPrinter[T any](a *app, columns []column[T]) *printer[T] {
	p := &printer[T]{out: a.out, format: a.output, tell: a.tell, scrolls: a.scrolls}
	var head []string
	for _, c := range columns {
		if !c.wide || a.output == "wide" {
			p.columns = append(p.columns, c)
			head = append(head, c.name)
		}
	}
	p.widths = make([]int, len(head))
	if p.isTable() {
		p.row(head)
	}
	return p
}

func (p *printer[T]) isTable() bool { return p.format == "table" || p.format == "wide" }

// add prints an object, at once or a little later.
func (p *printer[T]) add(o T) error {
	p.n++
	if p.scrolls {
		p.tell.end()
	} else {
		p.tell.counted(p.n)
	}
	switch p.format {
	case "json":
		return p.addJSON(o)
	case "yaml":
		return p.addYAML(o)
	}
	cells := make([]string, len(p.columns))
	for i, c := range p.columns {
		cells[i] = c.text(&o)
	}
	p.row(cells)
	if len(p.rows) < settleRows {
		return nil
	}
	return p.flush()
}

func (p *printer[T]) addJSON(o T) error {
	text, err := json.MarshalIndent(o, "  ", "  ")
	if err != nil {
		return err
	}
	before := ",\n  "
	if p.n == 1 {
		before = "[\n  "
	}
	_, err = fmt.Fprintf(p.out, "%s%s", before, text)
	return err
}

func (p *printer[T]) addYAML(o T) error {
	text, err := yaml.Marshal([]T{o})
	if err != nil {
		return err
	}
	_, err = p.out.Write(text)
	return err
}

// close prints what is left. It is called when all objects came; what an
// error broke off stays unfinished, so that no program takes it for whole.
func (p *printer[T]) close() error {
	var err error
	switch {
	case p.isTable():
		return p.flush()
	case p.format == "yaml" && p.n == 0:
		_, err = io.WriteString(p.out, "[]\n")
	case p.format == "json" && p.n == 0:
		_, err = io.WriteString(p.out, "[]\n")
	case p.format == "json":
		_, err = io.WriteString(p.out, "\n]\n")
	}
	return err
}

func (p *printer[T]) row(cells []string) {
	for i, c := range cells {
		if c == "" {
			cells[i] = "-"
		}
		p.widths[i] = max(p.widths[i], utf8.RuneCountInString(cells[i]))
	}
	p.rows = append(p.rows, cells)
}

func (p *printer[T]) flush() error {
	var b strings.Builder
	for _, cells := range p.rows {
		writeRow(&b, cells, p.widths)
	}
	p.rows = p.rows[:0]
	_, err := io.WriteString(p.out, b.String())
	return err
}

func writeRow(b *strings.Builder, cells []string, widths []int) {
	for i, c := range cells {
		b.WriteString(c)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)+2))
		}
	}
	b.WriteByte('\n')
}

// one prints a single object: json and yaml as such, else by show.
func one[T any](a *app, o T, show func(*block, *T)) error {
	switch a.output {
	case "json":
		text, err := json.MarshalIndent(o, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "%s\n", text)
		return err
	case "yaml":
		text, err := yaml.Marshal(o)
		if err != nil {
			return err
		}
		_, err = a.out.Write(text)
		return err
	}
	var b block
	show(&b, &o)
	return b.write(a.out)
}

// block is "name: value" lines with the values below each other, and
// paragraphs between.
type block struct {
	lines []struct{ name, value string }
}

// add appends a line; a value that is empty is left out.
func (b *block) add(name, value string) {
	if value != "" {
		b.lines = append(b.lines, struct{ name, value string }{name, value})
	}
}

// para appends a line of text after an empty one.
func (b *block) para(text string) {
	b.lines = append(b.lines, struct{ name, value string }{"", "\n" + text})
}

// text appends a line of text.
func (b *block) text(text string) { b.lines = append(b.lines, struct{ name, value string }{"", text}) }

func (b *block) write(out io.Writer) error {
	var width int
	for _, l := range b.lines {
		width = max(width, utf8.RuneCountInString(l.name))
	}
	var s strings.Builder
	for _, l := range b.lines {
		if l.name == "" {
			s.WriteString(l.value + "\n")
			continue
		}
		fmt.Fprintf(&s, "%s:%s%s\n", l.name, strings.Repeat(" ", width-utf8.RuneCountInString(l.name)+1), l.value)
	}
	_, err := io.WriteString(out, s.String())
	return err
}
