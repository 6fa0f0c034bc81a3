package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// table writes a table as docs/ have it.
func table(w io.Writer, title string, head string, rows []string) {
	fmt.Fprintf(w, "\n%s\n\n%s\n", title, head)
	for i := range head {
		switch {
		case i == len(head)-1:
			fmt.Fprintln(w, "|")
		case head[i] == '|':
			fmt.Fprint(w, "|--")
		}
	}
	for _, r := range rows {
		fmt.Fprintln(w, r)
	}
}

const (
	mega = 1 << 20
)

func perMAC(bytes int64, macs int) int64 { return bytes / int64(macs) }

func report(w io.Writer, cs []converged, ls []lost, mvs []moved, after *Memory) {
	var rows []string
	for _, c := range cs {
		m := &c.Memory
		rows = append(rows, fmt.Sprintf("| %d | %.2f s | %.2f s | %.2f s | %d | %d | %d | %d MB | %d MB |",
			c.MACs, c.Took.Seconds(), c.CPU.Seconds(), c.Kernel.Seconds(),
			perMAC(m.Engine, c.MACs), perMAC(m.Plane, c.MACs), perMAC(m.Reader, c.MACs), m.own()/mega, m.Peak/mega))
	}
	table(w, fmt.Sprintf("First convergence, %d VTEPs, %d VNIs, two reflectors", cs[0].VTEPs, cs[0].VNIs),
		"| MACs | time | CPU | of it fake kernel | bytes a MAC: engine | plane | reader | heap without kernel | resident at most, fake kernel too |", rows)
	rows = nil
	for _, l := range ls {
		rows = append(rows, fmt.Sprintf("| %d | %.0f ms | %.2f s | %.2f s | %d |", l.MACs, l.Noticed.Seconds()*1e3, l.Returned.Seconds(), l.CPU.Seconds(), l.Changes))
	}
	table(w, "Loss of one reflector and its return", "| MACs | loss taken in after | all routes again after | CPU | messages to the kernel |", rows)
	rows = nil
	for _, m := range mvs {
		rate := fmt.Sprint(m.Rate)
		if m.Rate == 0 {
			rate = "as fast as can be"
		}
		rows = append(rows, fmt.Sprintf("| %s | %.0f | %.1f %% | %.1f %% | %.0f us | %.2f ms | %.2f ms |",
			rate, m.Reached, 100*m.Share, 100*m.Kernel, 1e6*m.Share/m.Reached, m.Median.Seconds()*1e3, m.P99.Seconds()*1e3))
	}
	table(w, fmt.Sprintf("Moves, %d MACs", cs[len(cs)-1].MACs), "| moves a second | reached | CPU | of it fake kernel | CPU a move | median delay | 99 % |", rows)
	moved := 0
	for _, m := range mvs {
		moved += m.Moves
	}
	n := cs[len(cs)-1].MACs
	fmt.Fprintf(w, "\nAfter %.1f moves of each MAC: heap without kernel %d MB; bytes a MAC: engine %d, plane %d, reader %d.\n",
		float64(moved)/float64(n), after.own()/mega, perMAC(after.Engine, n), perMAC(after.Plane, n), perMAC(after.Reader, n))
}

func reportVTEPs(w io.Writer, cs []converged) {
	var rows []string
	for _, c := range cs {
		rows = append(rows, fmt.Sprintf("| %d | %.2f s | %.2f s | %d MB | %.1f MB |", c.VTEPs, c.Took.Seconds(), c.CPU.Seconds(), c.Memory.own()/mega, float64(c.Bytes)/mega))
	}
	table(w, fmt.Sprintf("First convergence, %d MACs", cs[0].MACs), "| VTEPs | time | CPU | heap without kernel | read from both reflectors |", rows)
}

func reportReflectors(w io.Writer, rs []passedOn, taken float64) {
	var rows []string
	for _, r := range rs {
		rows = append(rows, fmt.Sprintf("| %s | %d | %.0f | %.3f ms | %.0f | %.0f %% | %.2f |",
			r.Kind, r.Clients, r.Rate, r.CPU.Seconds()*1e3, 1/r.CPU.Seconds(), 100*r.Share, r.Updates))
	}
	table(w, "A real reflector, moves as fast as it takes them", "| reflector | clients | moves a second | CPU a move | moves a CPU second | CPU | UPDATEs a move and client |", rows)
	if taken > 0 {
		fmt.Fprintf(w, "\nOne VTEP takes %.0f moves a second.\n", taken)
	}
}

// own is the heap without the fake kernel.
func (m *Memory) own() int64 { return m.Engine + m.Plane + m.Reader + m.Other }

func seconds(v float64) string {
	if v < 1 {
		return fmt.Sprintf("%.3g ms", v*1e3)
	}
	return fmt.Sprintf("%.3g s", v)
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

func chartsOfVTEP(cs []converged, ls []lost, mvs []moved) map[string]*chart {
	var took, cpu, back, heap, engine [][2]float64
	for i, c := range cs {
		n := float64(c.MACs)
		took = append(took, [2]float64{n, c.Took.Seconds()})
		cpu = append(cpu, [2]float64{n, c.CPU.Seconds()})
		back = append(back, [2]float64{n, ls[i].Returned.Seconds()})
		heap = append(heap, [2]float64{n, float64(c.Memory.own()) / mega})
		engine = append(engine, [2]float64{n, float64(c.Memory.Engine) / mega})
	}
	var share, kernel, median, p99 [][2]float64
	for _, m := range mvs {
		if m.Rate == 0 {
			continue
		}
		n := float64(m.Rate)
		share = append(share, [2]float64{n, m.Share})
		kernel = append(kernel, [2]float64{n, m.Kernel})
		median = append(median, [2]float64{n, m.Median.Seconds()})
		p99 = append(p99, [2]float64{n, m.P99.Seconds()})
	}
	site := fmt.Sprintf("%d VTEPs, %d VNIs, every route from two reflectors", cs[0].VTEPs, cs[0].VNIs)
	rates := axis{Name: "moves a second in the whole site"}
	macs := axis{Name: "MACs in the site"}
	return map[string]*chart{
		"scale-macs": {
			Title: "Time of one VTEP to take in the whole site", Note: site,
			X: macs, Y: axis{Name: "time", Format: seconds},
			Lines: []line{{Name: "first convergence", Points: took}, {Name: "CPU of it", Points: cpu, Dashed: true}, {Name: "a reflector is back", Points: back}},
		},
		"scale-memory": {
			Title: "Memory of one VTEP", Note: site + "; heap in use, the fake kernel's left out",
			X: macs, Y: axis{Name: "MB"}, Lines: []line{{Name: "all", Points: heap}, {Name: "of it the engine", Points: engine}},
		},
		"scale-moves-cpu": {
			Title: "CPU that one VTEP needs for the moves of all", Note: site + fmt.Sprintf("; %s MACs; 100 %% is one core", short(float64(cs[len(cs)-1].MACs))),
			X: rates, Y: axis{Name: "CPU", Format: percent, Linear: true}, Lines: []line{{Name: "whole process", Points: share}, {Name: "of it the fake kernel", Points: kernel}},
		},
		"scale-moves-delay": {
			Title: "Delay of a move, from the reflector to the kernel", Note: site + fmt.Sprintf("; %s MACs", short(float64(cs[len(cs)-1].MACs))),
			X: rates, Y: axis{Name: "delay", Format: seconds}, Lines: []line{{Name: "median", Points: median}, {Name: "99 %", Points: p99}},
		},
	}
}

func chartsOfVTEPs(cs []converged) map[string]*chart {
	var took, cpu [][2]float64
	for _, c := range cs {
		took = append(took, [2]float64{float64(c.VTEPs), c.Took.Seconds()})
		cpu = append(cpu, [2]float64{float64(c.VTEPs), c.CPU.Seconds()})
	}
	return map[string]*chart{"scale-vteps": {
		Title: "The same MACs behind more VTEPs", Note: fmt.Sprintf("first convergence of one VTEP; %s MACs, %d VNIs, two reflectors", short(float64(cs[0].MACs)), cs[0].VNIs),
		X: axis{Name: "VTEPs in the site"}, Y: axis{Name: "time", Format: seconds, Linear: true},
		Lines: []line{{Name: "first convergence", Points: took}, {Name: "CPU of it", Points: cpu, Dashed: true}},
	}}
}

func chartsOfReflectors(rs []passedOn, taken float64) map[string]*chart {
	var lines []line
	for _, r := range rs {
		if len(lines) == 0 || lines[len(lines)-1].Name != r.Kind {
			lines = append(lines, line{Name: r.Kind})
		}
		l := &lines[len(lines)-1]
		l.Points = append(l.Points, [2]float64{float64(r.Clients), r.Rate})
	}
	if taken > 0 {
		lines = append(lines, line{Name: "what one VTEP takes", Level: true, Points: [][2]float64{{0, taken}}})
	}
	return map[string]*chart{"scale-reflector": {
		Title: "Moves that a real reflector passes on to all of its clients", Note: "as fast as it takes them; the clients only read and count",
		X: axis{Name: "clients"}, Y: axis{Name: "moves a second"}, Lines: lines,
	}}
}

func draw(folder string, charts map[string]*chart) error {
	for name, c := range charts {
		if err := os.WriteFile(filepath.Join(folder, name+".svg"), []byte(c.SVG()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
