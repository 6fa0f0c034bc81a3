package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// formats are the values of -o.
var formats = []string{"table", "wide", "json", "yaml"}

// column is one of a table; wide ones are shown with -o wide.
type column[T any] struct {
	name string
	wide bool
	text func(T) string
}

// num is the text of a column with a number; of has the number of an object.
func num[T any, N uint32 | uint64](of func(T) N) func(T) string {
	return func(o T) string { return number(of(o)) }
}

// yes is the text of a column with yes or no.
func yes[T any](of func(T) bool) func(T) string {
	return func(o T) string { return yesNo(of(o)) }
}

// commas is the text of a column with a list.
func commas[T any](of func(T) []string) func(T) string {
	return func(o T) string { return strings.Join(of(o), ",") }
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
	if !a.forPrograms() {
		p.row(head)
	}
	return p
}

// forPrograms tells whether JSON or YAML is printed.
func (a *app) forPrograms() bool { return a.output == "json" || a.output == "yaml" }

// add prints objects, at once or a little later.
func (p *printer[T]) add(objects ...T) error {
	for _, o := range objects {
		p.n++
		if p.scrolls {
			p.tell.end()
		} else {
			p.tell.counted(p.n)
		}
		if err := p.print(o); err != nil {
			return err
		}
	}
	return nil
}

func (p *printer[T]) print(o T) error {
	if p.format == "json" || p.format == "yaml" {
		text, err := toJSON(o)
		switch {
		case err != nil:
			return err
		case p.format == "yaml":
			return writeYAML(p.out, "", slices.Concat([]byte{'['}, text, []byte{']'}))
		case p.n == 1:
			return indentJSON(p.out, text, "[\n  ", "  ", "")
		}
		return indentJSON(p.out, text, ",\n  ", "  ", "")
	}
	cells := make([]string, len(p.columns))
	for i, c := range p.columns {
		cells[i] = c.text(o)
	}
	p.row(cells)
	if len(p.rows) < settleRows {
		return nil
	}
	return p.flush()
}

// close prints what is left. It is called when all objects came; what an
// error broke off stays unfinished, so that no program takes it for whole.
func (p *printer[T]) close() error {
	end := ""
	switch {
	case p.format == "json" && p.n > 0:
		end = "\n]\n"
	case p.format == "json", p.format == "yaml" && p.n == 0:
		end = "[]\n"
	case p.format != "yaml":
		return p.flush()
	}
	_, err := io.WriteString(p.out, end)
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
func one[T any](a *app, o T, show func(*block, T)) error {
	if !a.forPrograms() {
		var b block
		show(&b, o)
		return b.write(a.out)
	}
	text, err := toJSON(o)
	switch {
	case err != nil:
		return err
	case a.output == "yaml":
		return writeYAML(a.out, "", text)
	}
	return indentJSON(a.out, text, "", "", "\n")
}

// all prints objects that have come: json and yaml as a list, else by show.
func all[T any](a *app, objects []T, show func(*block, T)) error {
	if a.forPrograms() {
		p := newPrinter[T](a, nil)
		if err := p.add(objects...); err != nil {
			return err
		}
		return p.close()
	}
	var b block
	for i, o := range objects {
		if i > 0 {
			b.text("")
		}
		show(&b, o)
	}
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

// count appends a number; 0 is left out.
func (b *block) count(name string, n uint32) {
	if n != 0 {
		b.add(name, number(n))
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
