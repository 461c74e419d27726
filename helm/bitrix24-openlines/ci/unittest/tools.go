//go:build tools

// Package unittest holds the version of helm-unittest and of all that it is built from. `go install` alone refuses it,
// because its module replaces a dependency.
package unittest

import _ "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"
