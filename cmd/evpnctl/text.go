package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

func number[T ~int | ~uint32 | ~uint64 | ~int64](n T) string {
	return strconv.FormatUint(uint64(n), 10)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// when is a time as RFC 3339 in UTC; empty when it is not set.
func when(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format(time.RFC3339)
}

// instant is when, to the millisecond.
func instant(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// span is a duration for people: "42s", "3m10s", "5h02m", "12d4h".
func span(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%dh", s/86400, s/3600%24)
}

// mark is a word that is shown when it applies.
type mark struct {
	on   bool
	name string
}

func marks(all ...mark) string {
	var on []string
	for _, f := range all {
		if f.on {
			on = append(on, f.name)
		}
	}
	return strings.Join(on, ",")
}
