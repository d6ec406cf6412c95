package file_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/file"
	"github.com/certform/certform/sinks/sinktest"
)

const password = "canary-of-the-archive"

// bench is a directory, a world whose programs are counted, and a disk that
// can die.
type bench struct {
	t       *testing.T
	dir     string
	world   *world.World
	mu      sync.Mutex
	ran     map[string]int // by the last argument of the program
	changes int
	dead    func(what string, after bool) error
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir(), ran: map[string]int{}}
	b.world = &world.World{
		Exec: func(_ context.Context, argv []string) ([]byte, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.ran[argv[len(argv)-1]]++
			return nil, nil
		},
		Secret: func(_ context.Context, ref string) (string, error) {
			if ref != "env:PASSWORD" {
				return "", errors.New("secret " + ref + ": not there")
			}
			return password, nil
		},
	}
	return b
}

func (b *bench) step(what string, after bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if after && what != "flush" && what != "mkdir" {
		b.changes++
	}
	if b.dead != nil {
		return b.dead(what, after)
	}
	return nil
}

func (b *bench) die(k int, after bool) func() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, came := 0, false
	b.dead = func(what string, at bool) error {
		if at == after {
			n++
		}
		if n >= k {
			came = true
		}
		if came {
			return errors.New("killed at " + what)
		}
		return nil
	}
	return func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.dead = nil
		return came
	}
}

// layouts are the three ways to write.
var layouts = []struct {
	name string
	spec func(b *bench, name string) *file.Spec
	read func(b *bench, name string) (chain, key []byte, err error)
	// change writes what the sink would, as somebody else.
	change func(b *bench, name string, bundle *cert.Bundle)
}{
	{"directory",
		func(b *bench, name string) *file.Spec {
			return &file.Spec{Directory: filepath.Join(b.dir, "tls", name)}
		},
		func(b *bench, name string) (chain, key []byte, err error) {
			dir, err := filepath.EvalSymlinks(filepath.Join(b.dir, "tls", name))
			if err != nil {
				return nil, nil, err
			}
			if chain, err = os.ReadFile(filepath.Join(dir, "fullchain.pem")); err != nil {
				return nil, nil, err
			}
			key, err = os.ReadFile(filepath.Join(dir, "privkey.pem"))
			return chain, key, err
		},
		func(b *bench, name string, bundle *cert.Bundle) {
			dir := filepath.Join(b.dir, "tls", name)
			b.must(os.MkdirAll(dir, 0o755))
			writeFour(b.t, dir, bundle)
		},
	},
	{"combined",
		func(b *bench, name string) *file.Spec {
			return &file.Spec{Combined: filepath.Join(b.dir, "tls", name+".pem")}
		},
		func(b *bench, name string) (chain, key []byte, err error) {
			data, err := os.ReadFile(filepath.Join(b.dir, "tls", name+".pem"))
			return data, data, err
		},
		func(b *bench, name string, bundle *cert.Bundle) {
			b.must(os.MkdirAll(filepath.Join(b.dir, "tls"), 0o755))
			data, err := bundle.CombinedPEM()
			b.must(err)
			b.must(os.WriteFile(filepath.Join(b.dir, "tls", name+".pem"), data, 0o600))
		},
	},
	{"pkcs12",
		func(b *bench, name string) *file.Spec {
			return &file.Spec{PKCS12: filepath.Join(b.dir, name+".p12"), Password: block.NewSecret("env:PASSWORD")}
		},
		func(b *bench, name string) (chain, key []byte, err error) {
			data, err := os.ReadFile(filepath.Join(b.dir, name+".p12"))
			if err != nil {
				return nil, nil, err
			}
			k, leaf, rest, err := pkcs12.DecodeChain(data, password)
			if err != nil {
				return nil, nil, err
			}
			return repack(append(cert.Chain{leaf}, rest...), k)
		},
		func(b *bench, name string, bundle *cert.Bundle) {
			data, err := pkcs12.Modern.Encode(bundle.Key().Signer(), bundle.Chain.Leaf(), bundle.Chain[1:], password)
			b.must(err)
			b.must(os.WriteFile(filepath.Join(b.dir, name+".p12"), data, 0o600))
		},
	},
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel() // most of the time goes into waiting for the disk
			sinktest.Run(t, sinktest.Fixture{New: func(t *testing.T) sinktest.Backend {
				b := newBench(t)
				return sinktest.Backend{
					World: b.world,
					Spec: func(name string) sinks.Spec {
						s := l.spec(b, name)
						s.Mode = "0600"
						s.Test = []string{"check", "test-" + name}
						s.Reload = []string{"service", name}
						s.Die(b.step)
						return s
					},
					Writes:      func() int { b.mu.Lock(); defer b.mu.Unlock(); return b.changes },
					Activations: func(name string) int { b.mu.Lock(); defer b.mu.Unlock(); return b.ran[name] },
					Read:        func(name string) ([]byte, []byte, error) { return l.read(b, name) },
					Change:      func(name string, c *cert.Bundle) { l.change(b, name, c) },
					Compares:    true,
					Die:         b.die,
					Secrets:     []string{password},
				}
			}})
		})
	}
}

func TestCheck(t *testing.T) {
	secret := block.NewSecret("env:P")
	for _, c := range []struct {
		name string
		spec file.Spec
		arg  string // of the only problem; "none" for none
	}{
		{"directory", file.Spec{Directory: "/d"}, "none"},
		{"archive", file.Spec{PKCS12: "/d", Password: secret}, "none"},
		{"group may read", file.Spec{Combined: "/d", Mode: "0640"}, "none"},
		{"nothing", file.Spec{}, ""},
		{"two", file.Spec{Directory: "/d", Combined: "/e"}, "combined"},
		{"archive without password", file.Spec{PKCS12: "/d"}, "password"},
		{"password without archive", file.Spec{Combined: "/d", Password: secret}, "password"},
		{"mode is no number", file.Spec{Combined: "/d", Mode: "rw"}, "mode"},
		{"mode is decimal", file.Spec{Combined: "/d", Mode: "0800"}, "mode"},
		{"mode lets everybody read", file.Spec{Combined: "/d", Mode: "0644"}, "mode"},
		{"mode keeps the owner out", file.Spec{Combined: "/d", Mode: "0040"}, "mode"},
		{"root", file.Spec{Directory: "/"}, "directory"},
		{"heredoc", file.Spec{Directory: "/etc/nginx\n"}, "directory"},
		{"home", file.Spec{Combined: "~/site.pem"}, "combined"},
		{"a name with a tilde", file.Spec{Combined: "/d/~site.pem"}, "none"},
		{"no program", file.Spec{Directory: "/d", Reload: []string{"", "x"}}, "reload"},
	} {
		bad := c.spec.Check()
		switch {
		case c.arg == "none" && len(bad) > 0:
			t.Errorf("%s: %+v", c.name, bad)
		case c.arg != "none" && (len(bad) != 1 || bad[0].Argument != c.arg || bad[0].Summary == "" || bad[0].Detail == ""):
			t.Errorf("%s: %+v, want one problem at %q", c.name, bad, c.arg)
		}
	}
}

func TestTarget(t *testing.T) {
	for _, c := range []struct{ path, base, want string }{
		{"/etc/tls/../tls/site/", "/x", "file:/etc/tls/site"},
		{"tls/site", "/x/config", "file:/x/config/tls/site"},
		{"../site", "/x/config", "file:/x/site"},
	} {
		s := &file.Spec{Directory: c.path}
		var r sinks.Rebased = s
		r.Rebase(c.base)
		if got := s.Target(); got != c.want {
			t.Errorf("%s in %s: %s, want %s", c.path, c.base, got, c.want)
		}
	}
	one, two := &file.Spec{Directory: "/a"}, &file.Spec{Combined: "/a"}
	if one.Target() != two.Target() {
		t.Error("a directory and a file at one path do not clash")
	}
}

func writeFour(t *testing.T, dir string, b *cert.Bundle) {
	t.Helper()
	key, err := b.Key().PEM()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"fullchain.pem": b.FullchainPEM(), "cert.pem": b.CertPEM(), "chain.pem": b.IntermediatesPEM(), "privkey.pem": key} {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "priv") {
			mode = 0o600
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, mode); err != nil {
			t.Fatal(err)
		}
	}
}

func repack(c cert.Chain, key any) (chain, pemKey []byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return c.PEM(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
