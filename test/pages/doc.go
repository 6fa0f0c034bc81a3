// Package pages reads README.md and docs/ as a person would who has nothing
// else, and its tests try what stands there: a page that is wrong fails.
//
//	```sh        commands: run on a host of a lab, or, when they are only make,
//	             go, evpnd and evpnctl, looked at
//	```console   a command behind "$ ", and what it prints
//	```yaml      a configuration
//	```text      no command: a picture, a way of writing, an output
//	`command`    in text and tables: looked at
//	[](link)     what it leads to is there
//
// Which block is tried by whom is the table in plan_test.go. A block that is
// in no line of it, and is not of commands that can be looked at, is an error.
//
// To look at a command is to ask whether it could work: the target of make
// exists, go test finds a test or benchmark of that name, evpnctl has the
// command and the flag, somebody reads the environment variable.
package pages
