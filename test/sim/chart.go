package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// chart is a picture of lines over two axes.
type chart struct {
	Title, Note string
	X, Y        axis
	Lines       []line
}

// axis has a logarithmic scale, unless Linear; then it begins at 0.
type axis struct {
	Name   string
	Linear bool
	Format func(float64) string // of a tick; nil: short
}

// line is one series. With Level it is a horizontal line at its only value.
type line struct {
	Name   string
	Points [][2]float64
	Level  bool
	Dashed bool
}

const (
	chartWidth, chartHeight  = 760, 440
	plotLeft, plotRight      = 76, chartWidth - 24
	plotTop, plotBottom      = 96, chartHeight - 58
	charWidth                = 6.9 // of the text below, about
	chartColors              = 4
	lineHeight, swatchLength = 20, 22
)

// style has the colours of both schemes: a picture in a page follows what its
// reader has chosen.
const style = `
text { font: 13px system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 } .note { fill: #59636e }
.back { fill: #ffffff } .grid { stroke: #d8dee4 } .axis { stroke: #59636e }
.line { fill: none; stroke-width: 2.25; stroke-linejoin: round } .dash { stroke-dasharray: 7 5 }
.c0 { stroke: #0969da } .c1 { stroke: #bc4c00 } .c2 { stroke: #1a7f37 } .c3 { stroke: #8250df }
.f0 { fill: #0969da } .f1 { fill: #bc4c00 } .f2 { fill: #1a7f37 } .f3 { fill: #8250df }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .note { fill: #9198a1 }
.back { fill: #0d1117 } .grid { stroke: #30363d } .axis { stroke: #9198a1 }
.c0 { stroke: #58a6ff } .c1 { stroke: #f0883e } .c2 { stroke: #3fb950 } .c3 { stroke: #bc8cff }
.f0 { fill: #58a6ff } .f1 { fill: #f0883e } .f2 { fill: #3fb950 } .f3 { fill: #bc8cff }
}`

// span is an axis with the values it has to hold.
type span struct {
	axis
	min, max float64
	ticks    []float64
}

func (a axis) span(values []float64) span {
	s := span{axis: a, min: math.Inf(1), max: math.Inf(-1)}
	for _, v := range values {
		s.min, s.max = min(s.min, v), max(s.max, v)
	}
	if s.Linear {
		s.min = 0
		step := math.Pow(10, math.Floor(math.Log10(s.max)))
		for s.max/step < 4 {
			step /= 2
		}
		s.max = math.Ceil(s.max*1.02/step) * step
		for v := 0.0; v <= s.max+step/2; v += step {
			s.ticks = append(s.ticks, v)
		}
		return s
	}
	low, high := math.Floor(math.Log10(s.min)+1e-9), math.Ceil(math.Log10(s.max)-1e-9)
	if high == low {
		high++
	}
	s.min, s.max = math.Pow(10, low), math.Pow(10, high)
	for p := low; p <= high; p++ {
		s.ticks = append(s.ticks, math.Pow(10, p))
		if high-low <= 3 && p < high {
			s.ticks = append(s.ticks, 3*math.Pow(10, p))
		}
	}
	return s
}

// place returns where between 0 and 1 a value is.
func (s *span) place(v float64) float64 {
	if s.Linear {
		return (v - s.min) / (s.max - s.min)
	}
	return math.Log(v/s.min) / math.Log(s.max/s.min)
}

func (s *span) text(v float64) string {
	if s.Format != nil {
		return s.Format(v)
	}
	return short(v)
}

// short writes a number for an axis: 300, 10k, 1M.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.3g", v)
}

// SVG draws it.
func (c *chart) SVG() string {
	var xs, ys []float64
	for _, l := range c.Lines {
		for _, p := range l.Points {
			ys = append(ys, p[1])
			if !l.Level {
				xs = append(xs, p[0])
			}
		}
	}
	x, y := c.X.span(xs), c.Y.span(ys)
	px := func(v float64) float64 { return plotLeft + x.place(v)*(plotRight-plotLeft) }
	py := func(v float64) float64 { return plotBottom - y.place(v)*(plotBottom-plotTop) }

	var b strings.Builder
	out := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	text := func(px, py float64, class, anchor, s string) {
		out(`<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`, px, py, class, anchor, html.EscapeString(s))
	}
	out(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img">`, chartWidth, chartHeight)
	out(`<title>%s</title><style>%s`+"\n</style>", html.EscapeString(c.Title), style)
	out(`<rect class="back" width="100%%" height="100%%" rx="6"/>`)
	text(20, 28, "title", "start", c.Title)
	text(20, 48, "note", "start", c.Note)
	at := 20.0
	for i, l := range c.Lines {
		out(`<path class="line c%d%s" d="M%.1f 71h%d"/>`, i%chartColors, dash(l), at, swatchLength)
		text(at+swatchLength+6, 75, "", "start", l.Name)
		at += swatchLength + 24 + charWidth*float64(len([]rune(l.Name)))
	}
	for _, v := range x.ticks {
		out(`<path class="grid" d="M%.1f %dV%d"/>`, px(v), plotTop, plotBottom)
		text(px(v), plotBottom+18, "", "middle", x.text(v))
	}
	for _, v := range y.ticks {
		out(`<path class="grid" d="M%d %.1fH%d"/>`, plotLeft, py(v), plotRight)
		text(plotLeft-8, py(v)+4, "", "end", y.text(v))
	}
	out(`<path class="axis" fill="none" d="M%d %dV%dH%d"/>`, plotLeft, plotTop, plotBottom, plotRight)
	text((plotLeft+plotRight)/2, plotBottom+42, "note", "middle", c.X.Name)
	out(`<text class="note" text-anchor="middle" transform="translate(18 %d) rotate(-90)">%s</text>`, (plotTop+plotBottom)/2, html.EscapeString(c.Y.Name))
	for i, l := range c.Lines {
		if l.Level {
			out(`<path class="line c%d%s" d="M%d %.1fH%d"/>`, i%chartColors, dash(l), plotLeft, py(l.Points[0][1]), plotRight)
			continue
		}
		var d strings.Builder
		for j, p := range l.Points {
			fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(j, 1)], px(p[0]), py(p[1]))
		}
		out(`<path class="line c%d%s" d="%s"/>`, i%chartColors, dash(l), d.String())
		for _, p := range l.Points {
			out(`<circle class="f%d" cx="%.1f" cy="%.1f" r="3.5"/>`, i%chartColors, px(p[0]), py(p[1]))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func dash(l line) string {
	if l.Dashed || l.Level {
		return " dash"
	}
	return ""
}
