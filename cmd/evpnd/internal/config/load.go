package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// maxSize bounds what is read; a fabric's worth of VNIs stays far below it.
const maxSize = 16 << 20

// Load reads, completes and checks the file at path, with the overrides from
// the environment. The error is an [Errors] when something is wrong with the
// configuration, and one of the file system when the file cannot be read.
func Load(path string) (*Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileError{err}
	}
	if info.Size() > maxSize {
		return nil, fmt.Errorf("configuration: %s has %d bytes, at most %d are read", path, info.Size(), maxSize)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fileError{err}
	}
	return parse(path, text)
}

// fileError is an error of the file system with what to do about it.
type fileError struct{ error }

func (e fileError) Error() string {
	return "the configuration cannot be read: " + fileErrorText(e.error)
}

func (e fileError) Unwrap() error { return e.error }

// parse is Load with the text at hand; path gives its name and the place
// that relative paths in it start from.
func parse(path string, text []byte) (*Config, error) {
	d := newDecoder(path)
	v, err := d.layers(text)
	if err != nil {
		return nil, err
	}
	c := defaultConfig()
	d.fill(reflect.ValueOf(&c).Elem(), "", v)
	d.validate(&c)
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return &c, nil
}

// layers gives viper the file and the environment. As the values of the file
// it gets the nodes themselves, so that their lines and spelling survive; a
// value from the environment is text.
func (d *decoder) layers(text []byte) (*viper.Viper, error) {
	v := viper.NewWithOptions(viper.WithDecoderRegistry(d))
	v.SetConfigType("yaml")
	variables := single(reflect.TypeFor[Config](), "")
	for _, k := range variables {
		if err := v.BindEnv(k.path, envName(k.path)); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
	}
	d.strayVariables(os.Environ(), variables)
	if err := v.ReadConfig(bytes.NewReader(text)); err != nil {
		var syntax Errors
		if errors.As(err, &syntax) {
			return nil, syntax
		}
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return v, nil
}

// Decoder returns d: viper reads every format with it, which is YAML alone.
func (d *decoder) Decoder(string) (viper.Decoder, error) { return d, nil }

// Decode implements viper.Decoder.
func (d *decoder) Decode(text []byte, into map[string]any) error {
	var doc yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(text))
	if err := in.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil // nothing but comments: the missing keys will be told
		}
		return Errors{d.syntax(err, string(text))}
	}
	var more yaml.Node
	if err := in.Decode(&more); err == nil {
		return Errors{{File: d.file, Line: more.Line, Text: "want one YAML document, a second one begins here"}}
	} else if !errors.Is(err, io.EOF) {
		return Errors{d.syntax(err, string(text))}
	}
	root := resolve(doc.Content[0])
	d.section(reflect.TypeFor[Config](), "", root, into)
	if d.bad[""] {
		return d.problems // no keys at all: which ones are missing is no news
	}
	return nil
}

// section puts the nodes of a mapping and of the sections in it into a map.
func (d *decoder) section(t reflect.Type, path string, n *yaml.Node, into map[string]any) {
	if n.Tag == "!!null" {
		return // everything in it has been commented out
	}
	for _, e := range d.entries(t, path, n) {
		if !isSection(e.typ) {
			into[e.key] = e.node
			continue
		}
		inner := make(map[string]any)
		d.section(e.typ, e.path, e.node, inner)
		into[e.key] = inner
	}
}

// fill reads what viper holds into the section v.
func (d *decoder) fill(v reflect.Value, path string, layers *viper.Viper) {
	present := make(map[string]bool)
	for _, f := range fieldsOf(v.Type()) {
		at := join(path, f.key)
		if isSection(f.typ) {
			d.fill(v.FieldByIndex(f.index), at, layers)
			continue
		}
		switch x := layers.Get(at).(type) {
		case *yaml.Node:
			present[f.key] = true
			d.value(v.FieldByIndex(f.index), f, at, x)
		case string:
			present[f.key] = true
			d.env[at] = envName(at)
			d.value(v.FieldByIndex(f.index), f, at, &yaml.Node{Kind: yaml.ScalarNode, Value: x})
		}
	}
	if !d.bad[path] {
		d.required(v.Type(), path, present)
	}
}

var (
	yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)
	// The parser's errors, unlike the scanner's, count lines from 0.
	yamlFromZero = regexp.MustCompile(`^(did not find expected (['<]|key|node)|found (duplicate|incompatible|undefined))`)
	yamlAnchor   = regexp.MustCompile(`^yaml: unknown anchor '(.*)' referenced`)
)

// syntax makes a problem of an error of the YAML parser.
func (d *decoder) syntax(err error, text string) Problem {
	p := Problem{File: d.file, Line: 1, Text: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		text := err.Error()[len(m[0]):]
		if yamlFromZero.MatchString(text) {
			p.Line++
		}
		p.Text = "not YAML: " + text
	}
	// What stands behind the * may be a password that should have been quoted.
	if m := yamlAnchor.FindStringSubmatch(err.Error()); m != nil {
		before, _, _ := strings.Cut(text, "*"+m[1])
		p.Line = 1 + strings.Count(before, "\n")
		p.Text = "not YAML: a value that begins with * is an alias of an anchor that is not there, put text in quotes"
	}
	return p
}

// besideFile makes a path that is relative to the config file usable from
// the working directory.
func (d *decoder) besideFile(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(d.file), path)
}
