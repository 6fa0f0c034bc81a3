package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// EnvPrefix begins the names of environment variables that override keys.
const EnvPrefix = "EVPND_"

// evpnctlVariables begin with EnvPrefix too, and are those of evpnctl.
var evpnctlVariables = []string{"EVPND_API", "EVPND_TLS_CERT", "EVPND_TLS_KEY", "EVPND_TLS_CA"}

func envName(path string) string {
	return EnvPrefix + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(path))
}

// strayVariables reports variables that were meant to override a key and do
// not: those that begin as the keys of a section do, and those that are nearly
// spelled as one of known. Others are not evpnd's.
func (d *decoder) strayVariables(environ []string, known []known) {
	var names []string
	for _, k := range known {
		names = append(names, strings.TrimPrefix(envName(k.path), EnvPrefix))
	}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		word, ours := strings.CutPrefix(name, EnvPrefix)
		if !ours || value == "" || slices.Contains(names, word) || slices.Contains(evpnctlVariables, name) || ofService(name, value) {
			continue
		}
		near, isNear := nearest(word, names)
		near = EnvPrefix + near
		inSection := slices.ContainsFunc(fieldsOf(reflect.TypeFor[Config]()), func(f field) bool {
			return strings.HasPrefix(name, envName(f.key)+"_")
		})
		text := fmt.Sprintf("unknown variable, the nearest is %s", near)
		switch path, ok := listKey(name); {
		case ok:
			text = fmt.Sprintf("only the file can set %s, which has more than one value", path)
		case isNear:
			text = fmt.Sprintf("unknown variable, did you mean %s?", near)
		case !inSection:
			continue
		}
		d.problems = append(d.problems, Problem{File: "environment", Key: name, Text: text})
	}
}

var serviceVariable = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// ofService tells whether a variable has the form of those that Kubernetes sets
// in every pod beside a service, which may be named evpnd or evpnd-metrics.
func ofService(name, value string) bool {
	return serviceVariable.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

// listKey returns the key that a variable of that name would override if it had
// one value.
func listKey(name string) (path string, ok bool) {
	for _, k := range schema(reflect.TypeFor[Config](), "") {
		if envName(k.path) == name && !isSection(k.typ) {
			return k.path, true
		}
	}
	return "", false
}
