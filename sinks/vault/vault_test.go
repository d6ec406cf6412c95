package vault_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/sinktest"
	"github.com/certform/certform/sinks/vault"
)

func secrets(more map[string]string) *world.World {
	return &world.World{Secret: func(_ context.Context, ref string) (string, error) {
		if v, ok := more[ref]; ok {
			return v + "\n", nil
		}
		if v, ok := strings.CutPrefix(ref, "env:"); ok {
			return v, nil
		}
		return "", errors.New("secret " + ref + ": not there")
	}}
}

func (f *fake) spec(token string) func(name string) sinks.Spec {
	return func(name string) sinks.Spec {
		return &vault.Spec{Address: f.URL, Path: "tls/" + name, Token: block.NewSecret("env:" + token)}
	}
}

func TestConformance(t *testing.T) {
	sinktest.Run(t, sinktest.Fixture{New: func(t *testing.T) sinktest.Backend {
		f := newFake(t)
		return sinktest.Backend{
			World:    secrets(nil),
			Spec:     f.spec("root"),
			Denied:   f.spec("wrong-token"),
			ReadOnly: f.spec("reader"),
			Writes:   func() int { f.mu.Lock(); defer f.mu.Unlock(); return f.writes },
			Compares: true,
			Change:   func(name string, b *cert.Bundle) { f.change("tls/"+name, b) },
			Read:     func(name string) ([]byte, []byte, error) { return f.read("tls/" + name) },
			Secrets:  []string{"wrong-token"},
			Die: func(k int, after bool) func() bool {
				f.mu.Lock()
				defer f.mu.Unlock()
				mark, came := f.writes, false
				f.die = func(at bool) bool {
					came = came || at == after && f.writes >= mark+k
					return came
				}
				return func() bool {
					f.mu.Lock()
					defer f.mu.Unlock()
					f.die = nil
					return came
				}
			},
		}
	}})
}

func (f *fake) change(name string, b *cert.Bundle) {
	key, err := b.Key().PEM()
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.secrets[name]
	if s == nil {
		s = &secret{}
		f.secrets[name] = s
	}
	s.versions = append(s.versions, map[string]any{
		"certificate": string(b.CertPEM()), "chain": string(b.IntermediatesPEM()),
		"fullchain": string(b.FullchainPEM()), "private_key": string(key)})
}

func (f *fake) read(name string) (chain, key []byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.secrets[name]
	if s == nil || len(s.versions) == 0 {
		return nil, nil, errors.New("no secret")
	}
	data := s.versions[len(s.versions)-1]
	full, _ := data["fullchain"].(string)
	k, _ := data["private_key"].(string)
	return []byte(full), []byte(k), nil
}

type place struct {
	*testing.T
	spec sinks.Spec
	w    *world.World
}

func (p place) put(b *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	p.Helper()
	s, err := p.spec.Open(p.Context(), p.w)
	if err != nil {
		return sinks.Held{}, err
	}
	return s.Put(p.Context(), b, was)
}

func (p place) look() (sinks.Held, error) {
	p.Helper()
	s, err := p.spec.Open(p.Context(), p.w)
	if err != nil {
		return sinks.Held{}, err
	}
	return s.(sinks.Observer).Observe(p.Context(), "")
}

func TestLookingDoesNotReadTheKey(t *testing.T) {
	f := newFake(t)
	p := place{t, f.spec("root")("one"), secrets(nil)}
	b := sinktest.Bundle(t, "example.com")
	if _, err := p.put(b, sinks.Held{}); err != nil {
		t.Fatal(err)
	}
	f.calls = nil
	if _, err := p.look(); err != nil {
		t.Fatal(err)
	}
	for _, c := range f.calls {
		if strings.Contains(c, "/data/") {
			t.Errorf("it asked %s", c)
		}
	}
}

func TestMetadata(t *testing.T) {
	f := newFake(t)
	p := place{t, f.spec("root")("one"), secrets(nil)}
	f.secrets["tls/one"] = &secret{custom: map[string]any{"owner": "team a", "names_9": "stale"}}
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("host-%03d.department.example.com", i))
	}
	b := sinktest.Bundle(t, names...)
	if _, err := p.put(b, sinks.Held{}); err != nil {
		t.Fatal(err)
	}
	custom := f.secrets["tls/one"].custom
	leaf := b.Chain.Leaf()
	for k, want := range map[string]string{
		"owner": "team a", "version": "1", "serial": leaf.SerialNumber.Text(16), "not_after": leaf.NotAfter.UTC().Format(time.RFC3339),
		"leaf_sha256": string(b.Leaf()),
	} {
		if custom[k] != want {
			t.Errorf("custom metadata %s is %v, want %s", k, custom[k], want)
		}
	}
	if _, ok := custom["names_9"]; ok {
		t.Error("a stale part of the names is left")
	}
	held, err := p.look()
	if err != nil || !slices.Equal(held.Names, names) || held.Chain != b.Chain.Fingerprint() {
		t.Errorf("%+v %v", held, err)
	}
}

// Somebody writes a version and leaves our metadata as it is.
func TestUndescribedVersion(t *testing.T) {
	f := newFake(t)
	ours, theirs := sinktest.Bundle(t, "example.com"), sinktest.Bundle(t, "example.com")
	p := place{t, f.spec("root")("one"), secrets(nil)}
	if _, err := p.put(ours, sinks.Held{}); err != nil {
		t.Fatal(err)
	}
	f.change("tls/one", theirs)
	held, err := p.look()
	if err != nil || held.Leaf != theirs.Leaf() || held.Rev != "2" {
		t.Errorf("with the right to read data: %+v %v", held, err)
	}
	for _, token := range []string{"reader", "writer"} {
		q := place{t, f.spec(token)("one"), secrets(nil)}
		held, err = q.look()
		if err != nil || held.Leaf != "" || held.Rev != "2" || !strings.Contains(held.Broken, "version 2 is not described") {
			t.Errorf("%s: %+v %v", token, held, err)
		}
	}
	q := place{t, f.spec("writer")("one"), secrets(nil)}
	if held, err = q.put(ours, held); err != nil || held.Leaf != ours.Leaf() || held.Rev != "3" {
		t.Errorf("repair without the right to read data: %+v %v", held, err)
	}
}

// What is there but not described (a run was killed) is described, not written
// again.
func TestDescribeWhatIsThere(t *testing.T) {
	f := newFake(t)
	b := sinktest.Bundle(t, "example.com")
	f.change("tls/one", b)
	p := place{t, f.spec("root")("one"), secrets(nil)}
	held, err := p.put(b, sinks.Held{})
	if err != nil || held.Rev != "1" || len(f.secrets["tls/one"].versions) != 1 {
		t.Errorf("%+v %v", held, err)
	}
	if f.secrets["tls/one"].custom["version"] != "1" {
		t.Error("it is not described")
	}
}

func TestDeletedVersionIsNothing(t *testing.T) {
	f := newFake(t)
	p := place{t, f.spec("root")("one"), secrets(nil)}
	b := sinktest.Bundle(t, "example.com")
	if _, err := p.put(b, sinks.Held{}); err != nil {
		t.Fatal(err)
	}
	f.secrets["tls/one"].versions[0] = nil
	for _, token := range []string{"root", "reader", "data-only"} {
		q := place{t, f.spec(token)("one"), secrets(nil)}
		if held, err := q.look(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %+v %v", token, held, err)
		}
	}
	if held, err := p.put(b, sinks.Held{}); err != nil || held.Rev != "2" {
		t.Errorf("put over a deleted version: %+v %v", held, err)
	}
}

func TestWithoutRightsOnMetadata(t *testing.T) {
	f := newFake(t)
	p := place{t, f.spec("data-only")("one"), secrets(nil)}
	if held, err := p.look(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%+v %v", held, err)
	}
	one, two := sinktest.Bundle(t, "example.com"), sinktest.Bundle(t, "example.com")
	held, err := p.put(one, sinks.Held{})
	if err != nil || held.Leaf != one.Leaf() || len(held.Notes) != 1 || !strings.Contains(held.Notes[0], `path "secret/metadata/tls/one"`) {
		t.Errorf("%+v %v", held, err)
	}
	if held, err = p.look(); err != nil || held.Leaf != one.Leaf() {
		t.Errorf("%+v %v", held, err)
	}
	if held, err = p.put(two, held); err != nil || held.Leaf != two.Leaf() {
		t.Errorf("%+v %v", held, err)
	}
}

func TestAdviceNamesThePolicy(t *testing.T) {
	f := newFake(t)
	b := sinktest.Bundle(t, "example.com")
	p := place{t, f.spec("reader")("one"), secrets(nil)}
	_, err := p.put(b, sinks.Held{})
	if !errors.Is(err, world.ErrNever) || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("error %v does not keep Vault's words", err)
	}
	want := `path "secret/data/tls/one" { capabilities = ["create", "update"] }`
	if a := world.Advice(err); len(a) != 1 || !strings.Contains(a[0], want) {
		t.Errorf("advice %q, want %q", a, want)
	}
}

func TestWhatIsNotAKeyValueStore(t *testing.T) {
	f := newFake(t)
	f.version = "1"
	p := place{t, f.spec("root")("one"), secrets(nil)}
	if _, err := p.put(sinktest.Bundle(t, "example.com"), sinks.Held{}); !errors.Is(err, world.ErrNever) || !strings.Contains(err.Error(), "version 2") || f.writes != 0 {
		t.Errorf("version 1: %v after %d writes", err, f.writes)
	}
	spec := f.spec("root")("one").(*vault.Spec)
	spec.Mount = "nothing"
	p.spec = spec
	if _, err := p.look(); !errors.Is(err, world.ErrNever) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no handler for route") {
		t.Errorf("no mount: %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	f := newFake(t)
	p := place{t, f.spec("root")("one"), secrets(nil)}
	if _, err := p.look(); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	f.busy = 100
	_, err := p.look()
	at, ok := world.RetryAt(err)
	if wait := time.Until(at); !ok || wait < 5*time.Second || wait > 8*time.Second || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("%v: again in %v", err, wait)
	}
	if f.busy < 98 {
		t.Errorf("it asked %d times", 100-f.busy)
	}
}

func TestLogins(t *testing.T) {
	sid, jwt := block.NewSecret("file:sid"), block.NewSecret("file:jwt")
	w := map[string]string{"file:sid": "canary-secret-id", "file:jwt": "canary-jwt", "file:bad": "canary-wrong",
		"file:/var/run/secrets/kubernetes.io/serviceaccount/token": "canary-pod"}
	for name, s := range map[string]vault.Spec{
		"approle":     {RoleID: "role", SecretID: sid},
		"other mount": {RoleID: "role", SecretID: sid, AuthMount: "other"},
		"jwt":         {JWT: jwt, Role: "ci"},
		"kubernetes":  {KubernetesRole: "pod"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			s.Address, s.Path = f.URL, "x"
			if bad := s.Check(); len(bad) > 0 {
				t.Fatalf("%+v", bad)
			}
			world := secrets(w)
			p := place{t, &s, world}
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if _, err := p.look(); !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if f.logins != 1 {
				t.Errorf("%d logins for one identity", f.logins)
			}
			// The token is revoked: one new login, and the work goes on.
			delete(f.tokens, "login-1")
			if _, err := p.put(sinktest.Bundle(t, "example.com"), sinks.Held{}); err != nil || f.logins != 2 {
				t.Errorf("after a revocation: %v, %d logins", err, f.logins)
			}
		})
	}
	t.Run("wrong", func(t *testing.T) {
		f := newFake(t)
		s := &vault.Spec{Address: f.URL, Path: "x", RoleID: "role", SecretID: block.NewSecret("file:bad")}
		_, err := s.Open(t.Context(), secrets(w))
		if !errors.Is(err, world.ErrNever) || !strings.Contains(err.Error(), "invalid role or secret ID") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a policy's no is not a reason to log in again", func(t *testing.T) {
		f := newFake(t)
		s := &vault.Spec{Address: f.URL, Path: "x", RoleID: "role", SecretID: sid}
		p := place{t, s, secrets(w)}
		if _, err := p.look(); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		f.tokens["login-1"].may = func(string, string) bool { return false }
		for range 3 {
			if _, err := p.look(); !errors.Is(err, world.ErrNever) {
				t.Error(err)
			}
		}
		if f.logins != 1 {
			t.Errorf("%d logins", f.logins)
		}
	})
	t.Run("a token that can be renewed is", func(t *testing.T) {
		f := newFake(t)
		f.tokens["periodic"] = &grant{may: f.tokens["root"].may, renewable: true, life: time.Second, until: time.Now().Add(time.Hour)}
		p := place{t, f.spec("periodic")("one"), secrets(nil)}
		if _, err := p.look(); !errors.Is(err, fs.ErrNotExist) || f.renewed != 0 {
			t.Fatalf("%v, renewed %d times", err, f.renewed)
		}
		deadline := time.Now().Add(20 * time.Second)
		for f.renewed == 0 && time.Now().Before(deadline) {
			if _, err := p.look(); !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if f.renewed == 0 {
			t.Error("it was not renewed")
		}
	})
}

func TestCheck(t *testing.T) {
	tok := block.NewSecret("env:T")
	for _, c := range []struct {
		name string
		spec vault.Spec
		arg  string
	}{
		{"token", vault.Spec{Token: tok}, "none"},
		{"approle", vault.Spec{RoleID: "r", SecretID: tok}, "none"},
		{"jwt", vault.Spec{JWT: tok, Role: "r"}, "none"},
		{"kubernetes", vault.Spec{KubernetesRole: "r"}, "none"},
		{"nothing", vault.Spec{}, ""},
		{"half an approle", vault.Spec{RoleID: "r"}, "secret_id"},
		{"the other half", vault.Spec{SecretID: tok}, "role_id"},
		{"half a jwt", vault.Spec{JWT: tok}, "role"},
		{"two", vault.Spec{Token: tok, KubernetesRole: "r"}, "kubernetes_role"},
		{"no URL", vault.Spec{Address: "vault:8200", Token: tok}, "address"},
		{"no path", vault.Spec{Path: "/", Token: tok}, "path"},
		{"a password in the address", vault.Spec{Address: "https://u:p@vault.example.com:8200", Token: tok}, "address"},
		{"a way out", vault.Spec{Path: "a/../b", Token: tok}, "path"},
		{"auth_mount with a token", vault.Spec{Token: tok, AuthMount: "x"}, "auth_mount"},
	} {
		s := c.spec
		if s.Address == "" {
			s.Address = "https://vault.example.com:8200"
		}
		if s.Path == "" {
			s.Path = "tls/x"
		}
		bad := s.Check()
		if c.arg == "none" && len(bad) > 0 || c.arg != "none" && (len(bad) != 1 || bad[0].Argument != c.arg) {
			t.Errorf("%s: %+v, want a problem at %q", c.name, bad, c.arg)
		}
	}
}

func TestTarget(t *testing.T) {
	a := &vault.Spec{Address: "https://Vault.example.com:8200/", Mount: "/secret/", Path: "/tls/x/"}
	b := &vault.Spec{Address: "https://vault.example.com:8200", Path: "tls/x"}
	c := &vault.Spec{Address: "https://vault.example.com:8200", Path: "tls/x", Namespace: "team"}
	if a.Target() != b.Target() || b.Target() == c.Target() {
		t.Errorf("%s, %s, %s", a.Target(), b.Target(), c.Target())
	}
}
