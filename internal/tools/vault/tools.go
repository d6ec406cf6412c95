//go:build tools

// Package vault pins the Vault server that the tests use. It is a module of its
// own, since Vault's go.mod has replace directives (which forbid go install) and
// hundreds of modules that certform must not inherit. The sdk is v0.20.0
// because that is the published one Vault 1.21.0 compiles with. Vault is under the
// Business Source License: it is built here for tests and never shipped.
package vault

import _ "github.com/hashicorp/vault"
