// Package docker tries evpnd with Docker: its images as they are built from
// the Dockerfile, and Docker's own bridge networks, by running the page that
// tells people how (docs/docker.md). The engines are started by the tests, in
// network namespaces of a lab, and end with it.
package docker
