package rig

import (
	"os"
	"strings"
	"testing"
)

// The place where Vault is looked for has its version in it; the version is
// said in internal/tools/vault/go.mod.
func TestVaultVersion(t *testing.T) {
	b, err := os.ReadFile("../tools/vault/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "\nrequire github.com/hashicorp/vault v" + vaultVersion + "\n"; !strings.Contains(string(b), want) {
		t.Errorf("internal/tools/vault/go.mod does not hold %q", want)
	}
}
