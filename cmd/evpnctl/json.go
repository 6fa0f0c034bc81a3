package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// What programs read is the messages of the API: all fields in the order of the
// .proto files, under their names there, also those that are empty. protojson
// has its own forms for some values (64-bit numbers as strings, "PEER_STATE_IDLE",
// "62s"); scripts read plain numbers, "idle" and seconds, so the messages are
// written here.

// form says of a field where it is printed otherwise than its descriptor says.
type form struct {
	name      string // printed under this name
	hidden    bool   // not printed
	omitEmpty bool   // not printed when it is empty
	null      bool   // null when it is not set
	number    bool   // an enum by its number
	millis    bool   // a time to the millisecond: moves follow each other fast
	inline    bool   // its fields in place of it
}

var forms = map[protoreflect.FullName]form{
	"evpnd.v1.Alarm.vni":                   {omitEmpty: true},
	"evpnd.v1.Alarm.mac":                   {omitEmpty: true},
	"evpnd.v1.Alarm.address":               {omitEmpty: true},
	"evpnd.v1.Alarm.interface":             {omitEmpty: true},
	"evpnd.v1.AuditSummary.left":           {hidden: true},
	"evpnd.v1.AuditSummary.took":           {hidden: true},
	"evpnd.v1.Candidate.local":             {null: true},
	"evpnd.v1.Candidate.route":             {null: true},
	"evpnd.v1.ExplainResponse.progress":    {hidden: true},
	"evpnd.v1.ExplainResponse.unkept":      {name: "not_kept"},
	"evpnd.v1.ExplainResponse.unkept_more": {name: "not_kept_more"},
	"evpnd.v1.GetMACResponse.mac":          {inline: true},
	"evpnd.v1.MAC.esi":                     {omitEmpty: true},
	"evpnd.v1.MAC.interface_index":         {hidden: true},
	"evpnd.v1.MAC.last_move":               {null: true},
	"evpnd.v1.Move.time":                   {millis: true},
	"evpnd.v1.Peer.routes_advertised":      {name: "advertised"},
	"evpnd.v1.Peer.routes_discarded":       {name: "discarded"},
	"evpnd.v1.Peer.routes_ignored":         {name: "ignored"},
	"evpnd.v1.Peer.routes_received":        {name: "received"},
	"evpnd.v1.Peer.routes_refused":         {name: "refused"},
	"evpnd.v1.Peer.routes_stale":           {name: "stale"},
	"evpnd.v1.Place.interface_index":       {hidden: true},
	"evpnd.v1.Route.gateway":               {hidden: true},
	"evpnd.v1.Route.neighbor_flags":        {null: true},
	"evpnd.v1.Route.pmsi":                  {null: true},
	"evpnd.v1.Route.prefix":                {hidden: true},
	"evpnd.v1.Route.type":                  {number: true},
	"evpnd.v1.SettingChange.restart":       {name: "restart_needed"},
	"evpnd.v1.Status.audit":                {null: true},
	"evpnd.v1.Status.process":              {null: true},
}

// toJSON returns an object in compact JSON: a message as forms says, anything
// else as encoding/json has it.
func toJSON(o any) ([]byte, error) {
	if m, ok := o.(proto.Message); ok {
		return appendMessage(nil, m.ProtoReflect()), nil
	}
	return json.Marshal(o)
}

// message is a message in a value that encoding/json writes.
type message struct{ proto.Message }

func (m message) MarshalJSON() ([]byte, error) { return appendMessage(nil, m.ProtoReflect()), nil }

func messages[T proto.Message](list []T) []message {
	out := make([]message, len(list))
	for i, m := range list {
		out[i] = message{m}
	}
	return out
}

// indentJSON prints compact JSON over several lines, each but the first after
// prefix.
func indentJSON(out io.Writer, text []byte, before, prefix, after string) error {
	b := bytes.NewBufferString(before)
	if err := json.Indent(b, text, prefix, "  "); err != nil {
		return err
	}
	b.WriteString(after)
	_, err := out.Write(b.Bytes())
	return err
}

// writeYAML prints in YAML what text says in JSON, in the same order.
func writeYAML(out io.Writer, before string, text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	node, err := yamlNode(dec)
	if err != nil {
		return err
	}
	if text, err = yaml.Marshal(node); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s%s", before, text)
	return err
}

func appendMessage(b []byte, m protoreflect.Message) []byte {
	return append(appendFields(append(b, '{'), m), '}')
}

// appendFields appends the fields of m to the beginning of an object.
func appendFields(b []byte, m protoreflect.Message) []byte {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		f := forms[fd.FullName()]
		switch {
		case f.hidden, f.omitEmpty && !m.Has(fd):
			continue
		case f.inline:
			b = appendFields(b, m.Get(fd).Message())
			continue
		case f.name == "":
			f.name = string(fd.Name())
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(appendText(b, f.name), ':')
		if f.null && !m.Has(fd) {
			b = append(b, "null"...)
			continue
		}
		b = appendField(b, fd, m.Get(fd), f)
	}
	return b
}

func appendField(b []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value, f form) []byte {
	switch {
	case fd.IsList():
		b = append(b, '[')
		for i := range v.List().Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, fd, v.List().Get(i), f)
		}
		return append(b, ']')
	case fd.IsMap():
		counts := make(map[string]json.RawMessage) // encoding/json sorts the keys
		v.Map().Range(func(k protoreflect.MapKey, n protoreflect.Value) bool {
			counts[k.String()] = appendValue(nil, fd.MapValue(), n, f)
			return true
		})
		text, _ := json.Marshal(counts) // numbers are JSON
		return append(b, text...)
	}
	return appendValue(b, fd, v, f)
}

func appendValue(b []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value, f form) []byte {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return appendText(b, v.String())
	case protoreflect.EnumKind:
		if f.number {
			return strconv.AppendInt(b, int64(v.Enum()), 10)
		}
		return appendText(b, enumWord(fd.Enum(), v.Enum()))
	case protoreflect.MessageKind:
		switch m := v.Message().Interface().(type) {
		case *timestamppb.Timestamp:
			if f.millis {
				return appendText(b, instant(m))
			}
			return appendText(b, when(m))
		case *durationpb.Duration:
			return strconv.AppendInt(b, int64(m.AsDuration()/time.Second), 10)
		}
		return appendMessage(b, v.Message())
	}
	return append(b, v.String()...) // a number, true or false
}

func appendText(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // every string has a form
	return append(b, text...)
}

// word turns the value of an enum into what users see: ENTRY_STATE_INSTALLED is
// "installed", the unspecified value empty. A value that this evpnctl does not
// know is shown by its number.
func word(e protoreflect.Enum) string { return enumWord(e.Descriptor(), e.Number()) }

func enumWord(e protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	v := e.Values().ByNumber(n)
	if v == nil {
		return strconv.Itoa(int(n))
	}
	prefix := strings.TrimSuffix(string(e.Values().ByNumber(0).Name()), "UNSPECIFIED")
	name := strings.ToLower(strings.TrimPrefix(string(v.Name()), prefix))
	if name == "unspecified" {
		return ""
	}
	return strings.ReplaceAll(name, "_", "-")
}

// yaml11 are the strings that YAML 1.1 takes for a boolean or a number with the
// base 60, which a MAC can look like; the encoder quotes the others that need it.
var yaml11 = regexp.MustCompile(`^(?i:y|yes|n|no|on|off|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)$`)

// yamlNode reads the next value.
func yamlNode(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if t == '{' {
			n.Kind = yaml.MappingNode
		}
		for dec.More() {
			child, err := yamlNode(dec)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
		_, err := dec.Token() // the end of it
		return n, err
	case string:
		n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: t}
		if yaml11.MatchString(t) {
			n.Style = yaml.DoubleQuotedStyle
		}
		return n, nil
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(token)}, nil
}
