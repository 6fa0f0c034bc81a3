package main

import (
	"strconv"

	"github.com/spf13/cobra"
)

const maxVNI = 1<<24 - 1

func parseVNI(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n < 1 || n > maxVNI {
		return 0, usagef("VNI %q: want a number from 1 to %d", s, maxVNI)
	}
	return uint32(n), nil
}

// parseVNIFlag reads --vni; 0 when it was not given.
func parseVNIFlag(cmd *cobra.Command, s string) (uint32, error) {
	if !cmd.Flags().Changed("vni") {
		return 0, nil
	}
	return parseVNI(s)
}
