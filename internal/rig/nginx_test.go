package rig_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/certform/certform/internal/rig"
)

func TestNGINX(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	site := rig.Site{
		Names:       []string{"www.a.test"},
		Certificate: filepath.Join(dir, "fullchain.pem"),
		Key:         filepath.Join(dir, "privkey.pem"),
	}
	put := func(p rig.Pair) {
		t.Helper()
		for file, b := range map[string][]byte{site.Certificate: p.Cert, site.Key: p.Key} {
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	old, new := rig.SelfSigned(t, "www.a.test"), rig.SelfSigned(t, "www.a.test")
	put(old)
	s := rig.NGINX(t, rig.NGINXConfig{Sites: []rig.Site{site}})
	serves(t, s.Addr, old, "at the start")
	if got := rig.Leaf(t, s.Addr, "other.test").DNSNames[0]; got != "default.invalid" {
		t.Errorf("an unknown name is served the certificate of %s", got)
	}
	put(new)
	serves(t, s.Addr, old, "before the reload")
	command(t, s.TestCommand())
	s.Reload(t)
	serves(t, s.Addr, new, "after the reload")
	command(t, s.ReloadCommand())
}
