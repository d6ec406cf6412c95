package rig_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/certform/certform/internal/rig"
)

func TestHAProxy(t *testing.T) {
	t.Parallel()
	old := rig.SelfSigned(t, "www.a.test")
	s := rig.HAProxy(t, rig.HAProxyConfig{Certificates: []rig.HAProxyCertificate{
		{File: "site.pem", PEM: old.Combined(), SNI: []string{"www.a.test"}},
	}})
	serves(t, s.Addr, old, "at the start")
	if list := s.Run(t, "show ssl cert"); !strings.Contains(list, s.File("site.pem")) {
		t.Errorf("show ssl cert does not name %s:\n%s", s.File("site.pem"), list)
	}
	if list := s.Run(t, "show ssl crt-list "+s.CrtList); !strings.Contains(list, "www.a.test") {
		t.Errorf("show ssl crt-list does not show the filter:\n%s", list)
	}

	new := rig.SelfSigned(t, "www.a.test")
	if a := s.Run(t, "set ssl cert "+s.File("site.pem")+" <<\n"+string(new.Combined())); !strings.Contains(a, "Transaction created") {
		t.Fatalf("set ssl cert: %s", a)
	}
	if a := s.Run(t, "commit ssl cert "+s.File("site.pem")); !strings.Contains(a, "Success!") {
		t.Fatalf("commit ssl cert: %s", a)
	}
	serves(t, s.Addr, new, "after the commit")

	// The runtime API does not write the file, so a reload brings the old one back.
	s.Reload(t)
	serves(t, s.Addr, old, "after a reload")
	if err := os.WriteFile(s.File("site.pem"), new.Combined(), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, s.TestCommand())
	s.Stop(t)
	s.Start(t)
	serves(t, s.Addr, new, "after a restart with the new file")
}

func serves(t *testing.T, addr string, p rig.Pair, when string) {
	t.Helper()
	block, _ := pem.Decode(p.Cert)
	want, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := rig.Leaf(t, addr, want.DNSNames[0]); !got.Equal(want) {
		t.Errorf("%s %s is served serial %x, want %x", when, want.DNSNames[0], got.SerialNumber, want.SerialNumber)
	}
}

func command(t *testing.T, argv []string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", argv, err, out)
	}
}
