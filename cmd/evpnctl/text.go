package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// enum turns the name of an enum value into the word that users see:
// ENTRY_STATE_INSTALLED with prefix ENTRY_STATE_ is "installed". A value that
// this evpnctl does not know is shown by its number.
func enum(value fmt.Stringer, prefix string) string {
	word := strings.ToLower(strings.TrimPrefix(value.String(), prefix))
	if word == "unspecified" {
		return ""
	}
	return strings.ReplaceAll(word, "_", "-")
}

func originWord(o evpndv1.Origin) string       { return enum(o, "ORIGIN_") }
func stateWord(s evpndv1.EntryState) string    { return enum(s, "ENTRY_STATE_") }
func peerWord(s evpndv1.PeerState) string      { return enum(s, "PEER_STATE_") }
func typeWord(t evpndv1.RouteType) string      { return enum(t, "ROUTE_TYPE_") }
func directionWord(d evpndv1.Direction) string { return enum(d, "DIRECTION_") }

// orEmpty returns s, and an empty list in place of none: that is [] in JSON.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func number[T ~int | ~uint32 | ~uint64 | ~int64](n T) string {
	return strconv.FormatUint(uint64(n), 10)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// seconds is a duration for programs.
func seconds(d *durationpb.Duration) int64 { return int64(d.AsDuration() / time.Second) }

// when is a time for programs, RFC 3339 in UTC; empty when it is not set.
func when(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format(time.RFC3339)
}

// span is a number of seconds for people: "42s", "3m10s", "5h02m", "12d4h".
func span(s int64) string {
	switch d := time.Duration(s) * time.Second; {
	case d < time.Minute:
		return fmt.Sprintf("%ds", s)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%dh", s/86400, s/3600%24)
}
