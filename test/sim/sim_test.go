package main

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if isChild() {
		serve()
		return
	}
	os.Exit(m.Run())
}

func TestSite(t *testing.T) {
	w, err := newWorld(site{VTEPs: 100, MACs: 10000, VNIs: 5, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.end()
	c, err := w.converge()
	t.Logf("%+v", c)
	if err != nil {
		t.Fatal(err)
	}
	for _, rate := range []int{1000, 0} {
		m, err := w.move(rate, 2000)
		t.Logf("%+v", m)
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := w.lose()
	t.Logf("%+v", l)
	if err != nil {
		t.Fatal(err)
	}
}
