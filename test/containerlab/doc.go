// Package containerlab runs the topologies of this folder, which are files of
// containerlab (https://containerlab.dev), and holds each of them to the same
// assertions.
//
//	*.clab.yml ──> Read ──┬──> containerlab, with the images of make images
//	                      ├──> containers of a Docker engine, without containerlab
//	                      └──> network namespaces, without either
//
// What is asserted knows only a [Site]: it looks at the kernel through the
// network namespace of a node, and at daemons with the commands that a
// person has on that node. The namespaces are for every machine, and for CI;
// containerlab itself is for those who have it (make clab-test).
//
// The reader is strict. A key that it does not know is an error, so that no
// topology says something to containerlab that the other two ignore.
package containerlab
