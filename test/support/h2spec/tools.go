//go:build tools

// Package h2spec says which h2spec is built, with which versions of what it needs: `go mod tidy` writes go.sum anew.
// The versions are ones that Debian 12's Go 1.19 can compile.
package h2spec

import _ "github.com/summerwind/h2spec/cmd/h2spec"
