package haproxy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/haproxy"
	"github.com/certform/certform/sinks/sinktest"
)

func TestConformance(t *testing.T) {
	t.Run("elsewhere", func(t *testing.T) {
		sinktest.Run(t, sinktest.Fixture{New: func(t *testing.T) sinktest.Backend {
			f := newFake()
			at := func(address string) func(string) sinks.Spec {
				return func(name string) sinks.Spec {
					return &haproxy.Spec{Address: address, File: "/certs/" + name + ".pem", CrtList: "/list"}
				}
			}
			return sinktest.Backend{
				World:    f.world(),
				Spec:     at("lb1:9999"),
				Denied:   at("operator:9999"),
				ReadOnly: at("operator:9999"),
				Writes:   f.changes,
				Change:   func(name string, b *cert.Bundle) { f.set("/certs/"+name+".pem", b) },
				Compares: true, // in one process
				Die:      f.dieAt,
				Read: func(name string) (chain, key []byte, err error) {
					b := f.holds("/certs/" + name + ".pem")
					if b == nil {
						return nil, nil, errors.New("empty")
					}
					key, err = b.Key().PEM()
					return b.FullchainPEM(), key, err
				},
			}
		}})
	})
	t.Run("on this machine", func(t *testing.T) {
		sinktest.Run(t, sinktest.Fixture{New: func(t *testing.T) sinktest.Backend {
			f, dir := newFake(), t.TempDir()
			path := func(name string) string { return filepath.Join(dir, name+".pem") }
			return sinktest.Backend{
				World: f.world(),
				Spec: func(name string) sinks.Spec {
					return &haproxy.Spec{Address: "/run/admin.sock", File: path(name), CrtList: "/list"}
				},
				Denied: func(name string) sinks.Spec {
					return &haproxy.Spec{Address: "/run/operator.sock", File: path(name), CrtList: "/list"}
				},
				Writes:   f.changes,
				Compares: true,
				Die:      f.dieAt,
				Change: func(name string, b *cert.Bundle) {
					f.set(path(name), b)
					data, err := b.CombinedPEM()
					if err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path(name), data, 0o600); err != nil {
						t.Fatal(err)
					}
				},
				Read: func(name string) (chain, key []byte, err error) {
					data, err := os.ReadFile(path(name))
					return data, data, err
				},
			}
		}})
	})
}

// bench is one place at a fake.
type bench struct {
	*testing.T
	f    *fake
	w    *world.World
	spec *haproxy.Spec
}

func newBench(t *testing.T, s haproxy.Spec) *bench {
	f := newFake()
	return &bench{T: t, f: f, w: f.world(), spec: &s}
}

func (b *bench) put(c *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	b.Helper()
	s, err := b.spec.Open(b.Context(), b.w)
	if err != nil {
		b.Fatal(err)
	}
	return s.Put(b.Context(), c, was)
}

func (b *bench) look() (sinks.Held, error) {
	b.Helper()
	s, err := b.spec.Open(b.Context(), b.w)
	if err != nil {
		b.Fatal(err)
	}
	return s.(sinks.Observer).Observe(b.Context(), "")
}

func TestRefusedCommitLeavesTheOldOne(t *testing.T) {
	b := newBench(t, haproxy.Spec{Address: "lb1:9999", File: "/one.pem"})
	old := sinktest.Bundle(t, "example.com")
	was, err := b.put(old, sinks.Held{})
	if err != nil {
		t.Fatal(err)
	}
	b.f.refuse = "inconsistencies between private key and certificate loaded"
	_, err = b.put(sinktest.Bundle(t, "example.com"), was)
	if err == nil || !strings.Contains(err.Error(), b.f.refuse) {
		t.Errorf("error %v does not keep HAProxy's words", err)
	}
	if b.f.holds("/one.pem") != nil && b.f.holds("/one.pem").Leaf() != old.Leaf() {
		t.Error("the old one is gone")
	}
	if b.f.about != "" {
		t.Error("the transaction is still open")
	}

	// A new one that is refused leaves no name behind.
	b.spec.File = "/new.pem"
	if _, err = b.put(old, sinks.Held{}); err == nil {
		t.Fatal("no error")
	}
	if _, ok := b.f.certs["/new.pem"]; ok || b.f.about != "" {
		t.Error("an empty certificate is left")
	}
}

func TestSomebodyElsesTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, haproxy.Spec{Address: "lb1:9999", File: "/one.pem"})
		other := sinktest.Bundle(t, "example.org")
		b.f.set("/other.pem", other)
		b.f.about, b.f.pending = "/other.pem", other
		_, err := b.put(sinktest.Bundle(t, "example.com"), sinks.Held{})
		if err == nil || !strings.Contains(err.Error(), "/other.pem") || len(world.Advice(err)) == 0 {
			t.Errorf("error %v, advice %q: want the other file named", err, world.Advice(err))
		}
		if b.f.about != "/other.pem" || b.f.pending != other || b.f.changes() != 0 {
			t.Error("somebody else's transaction was touched")
		}
		b.f.about, b.f.pending = "", nil
		if _, err := b.put(sinktest.Bundle(t, "example.com"), sinks.Held{}); err != nil {
			t.Error(err)
		}
	})
}

func TestOwnTransactionOfADeadRunIsTakenUp(t *testing.T) {
	b := newBench(t, haproxy.Spec{Address: "lb1:9999", File: "/one.pem"})
	b.f.set("/one.pem", sinktest.Bundle(t, "example.com"))
	b.f.about, b.f.pending = "/one.pem", sinktest.Bundle(t, "example.com")
	was, err := b.look()
	if err != nil {
		t.Fatal(err)
	}
	next := sinktest.Bundle(t, "example.com")
	if _, err := b.put(next, was); err != nil || b.f.holds("/one.pem").Leaf() != next.Leaf() {
		t.Errorf("%v", err)
	}
}

func TestCrtListGetsItOnce(t *testing.T) {
	b := newBench(t, haproxy.Spec{Address: "lb1:9999", File: "/one.pem", CrtList: "/list"})
	var was sinks.Held
	for range 3 {
		var err error
		if was, err = b.put(sinktest.Bundle(t, "example.com"), was); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.f.lists["/list"]; len(got) != 1 || got[0] != "/one.pem" {
		t.Errorf("crt-list %v", got)
	}
	b.f.lists["/list"] = nil
	held, err := b.look()
	if err != nil || !strings.Contains(held.Broken, "crt-list /list does not name it") {
		t.Errorf("%+v %v", held, err)
	}
	b.spec.CrtList = "/none"
	if _, err := b.look(); !errors.Is(err, world.ErrNever) || !strings.Contains(err.Error(), "didn't find the specified filename") {
		t.Errorf("an unknown crt-list: %v", err)
	}
}

func TestFileBeside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "one.pem")
	b := newBench(t, haproxy.Spec{Address: "lb1:9999", Local: true, File: path})
	one, two := sinktest.Bundle(t, "example.com"), sinktest.Bundle(t, "example.com")
	held, err := b.put(one, sinks.Held{})
	if err != nil || held.Leaf != one.Leaf() || held.Chain != one.Chain.Fingerprint() || held.Broken != "" {
		t.Fatalf("%+v %v", held, err)
	}
	write := func(c *cert.Bundle) {
		t.Helper()
		data, err := c.CombinedPEM()
		if err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		harm   func()
		broken string
		sha1   string
	}{
		{"another file", func() { write(two) }, "the file holds another certificate", sinks.SHA1(one.Chain.Leaf())},
		{"no file", func() { os.Remove(path) }, "the file is missing", sinks.SHA1(one.Chain.Leaf())},
		{"a reload brought the old one back", func() { b.f.set(path, two) }, "the file holds another certificate", sinks.SHA1(two.Chain.Leaf())},
		{"a restart without the name", func() { delete(b.f.certs, path) }, "HAProxy has not loaded it", sinks.SHA1(one.Chain.Leaf())},
	} {
		c.harm()
		held, err := b.look()
		if err != nil || !strings.Contains(held.Broken, c.broken) || held.SHA1 != c.sha1 {
			t.Errorf("%s: %+v %v, want broken %q", c.name, held, err, c.broken)
		}
		if held, err = b.put(one, held); err != nil || held.Leaf != one.Leaf() || held.Broken != "" {
			t.Errorf("%s: repair: %+v %v", c.name, held, err)
		}
		if data, err := os.ReadFile(path); err != nil || !strings.Contains(string(data), string(one.CertPEM())) {
			t.Errorf("%s: the file was not repaired: %v", c.name, err)
		}
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if held, err = b.look(); err != nil || held.Broken != "" {
		t.Errorf("a mode of the administrator's choice: %+v %v", held, err)
	}
	if _, err = b.put(two, held); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
}

func TestNotes(t *testing.T) {
	for _, c := range []struct {
		spec haproxy.Spec
		want bool
	}{
		{haproxy.Spec{Address: "lb1:9999", File: "/x.pem"}, true},
		{haproxy.Spec{Address: "lb1:9999", File: "/x.pem", Local: true}, false},
		{haproxy.Spec{Address: "/run/h.sock", File: "/x.pem"}, false},
	} {
		var n sinks.Noted = &c.spec
		if got := n.Notes(); (len(got) > 0) != c.want {
			t.Errorf("%+v: notes %q", c.spec, got)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		spec haproxy.Spec
		arg  string
	}{
		{haproxy.Spec{Address: "lb1:9999", File: "x.pem"}, ""},
		{haproxy.Spec{Address: "[::1]:9999", File: "/x.pem"}, ""},
		{haproxy.Spec{Address: "run/h.sock", File: "/x.pem"}, ""},
		{haproxy.Spec{Address: "unix@/run/h.sock", File: "/x.pem"}, ""},
		{haproxy.Spec{Address: "lb1", File: "/x.pem"}, "address"},
		{haproxy.Spec{Address: "lb1:9999", File: "/x y.pem"}, "file"},
		{haproxy.Spec{Address: "lb1:9999", File: "/x;del ssl cert /y"}, "file"},
		{haproxy.Spec{Address: "lb1:9999", File: "/x.pem", CrtList: "a\nb"}, "crt_list"},
		{haproxy.Spec{Address: "/run/h.sock", File: "x.pem"}, "file"},
	} {
		bad := c.spec.Check()
		if c.arg == "" && len(bad) > 0 || c.arg != "" && (len(bad) != 1 || bad[0].Argument != c.arg) {
			t.Errorf("%+v: %+v, want a problem at %q", c.spec, bad, c.arg)
		}
	}
}
