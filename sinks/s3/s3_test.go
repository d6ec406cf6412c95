package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/s3"
	"github.com/certform/certform/sinks/sinktest"
)

func (s *store) spec(layout, key string) func(name string) sinks.Spec {
	return func(name string) sinks.Spec {
		spec := &s3.Spec{Bucket: "certs", Prefix: "tls", Layout: layout, Region: "us-east-1", EndpointURL: s.URL,
			AccessKeyID: key, SecretAccessKey: block.NewSecret("env:SECRET")}
		spec.SetCertificate(name)
		return spec
	}
}

func secrets() *world.World {
	return &world.World{Secret: func(context.Context, string) (string, error) { return "canary-secret-key", nil }}
}

func TestConformance(t *testing.T) {
	for _, layout := range []string{"bundle", "pair"} {
		t.Run(layout, func(t *testing.T) {
			sinktest.Run(t, sinktest.Fixture{New: func(t *testing.T) sinktest.Backend {
				s := newStore(t)
				b := sinktest.Backend{
					World:    secrets(),
					Spec:     s.spec(layout, goodKey),
					Denied:   s.spec(layout, "AKIAWRONG"),
					ReadOnly: s.spec(layout, readerKey),
					Writes:   func() int { s.mu.Lock(); defer s.mu.Unlock(); return s.writes },
					Compares: true,
					Read:     s.reader(layout),
					Secrets:  []string{"canary-secret-key"},
					Die:      s.dieAt,
				}
				if layout == "bundle" {
					b.Change = func(name string, c *cert.Bundle) {
						data, err := c.CombinedPEM()
						if err != nil {
							t.Fatal(err)
						}
						s.do(http.MethodDelete, "tls/"+name+".pem", nil) // this store keeps old metadata, S3 does not
						s.do(http.MethodPut, "tls/"+name+".pem", data)
					}
				}
				return b
			}})
		})
	}
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

func TestLookingReadsNoObject(t *testing.T) {
	for _, layout := range []string{"bundle", "pair"} {
		s := newStore(t)
		p := place{t, s.spec(layout, goodKey)("one"), secrets()}
		if _, err := p.put(sinktest.Bundle(t, "example.com"), sinks.Held{}); err != nil {
			t.Fatal(err)
		}
		s.log = nil
		if _, err := p.look(); err != nil {
			t.Fatal(err)
		}
		for _, l := range s.log {
			if !strings.HasPrefix(l, "HEAD ") {
				t.Errorf("%s: it asked %s", layout, l)
			}
		}
	}
}

func TestLostReply(t *testing.T) {
	for _, layout := range []string{"bundle", "pair"} {
		s := newStore(t)
		p := place{t, s.spec(layout, goodKey)("one"), secrets()}
		lost := 0
		s.answer = func(w http.ResponseWriter, r *http.Request, after bool) bool {
			if after && r.Method == http.MethodPut && r.Header.Get("If-None-Match") != "" && lost < 1 {
				lost++
				panic(http.ErrAbortHandler)
			}
			return false
		}
		b := sinktest.Bundle(t, "example.com")
		if held, err := p.put(b, sinks.Held{}); err != nil || held.Leaf != b.Leaf() || lost == 0 {
			t.Errorf("%s: %+v %v after %d lost answers", layout, held, err, lost)
		}
	}
}

func TestConditions(t *testing.T) {
	s := newStore(t)
	p := place{t, s.spec("bundle", goodKey)("one"), secrets()}
	one, two, three := sinktest.Bundle(t, "example.com"), sinktest.Bundle(t, "example.com"), sinktest.Bundle(t, "example.com")
	held, err := p.put(one, sinks.Held{})
	if err != nil || s.lastHead.Get("If-None-Match") != "*" {
		t.Fatalf("%v, If-None-Match %q", err, s.lastHead.Get("If-None-Match"))
	}
	if held, err = p.put(two, held); err != nil || s.lastHead.Get("If-Match") == "" {
		t.Fatalf("%v, If-Match %q", err, s.lastHead.Get("If-Match"))
	}
	refused := ""
	s.answer = func(w http.ResponseWriter, r *http.Request, after bool) bool {
		if after || r.Method != http.MethodPut || r.Header.Get("If-Match") == "" {
			return false
		}
		refuse(w, r, refused, "no")
		return true
	}
	for _, refused = range []string{"PreconditionFailed", "ConditionalRequestConflict"} {
		if _, err := p.put(three, held); !errors.Is(err, sinks.ErrChanged) {
			t.Errorf("%s: %v, want ErrChanged", refused, err)
		}
	}
	// A server that knows no conditions is written to without.
	refused = "NotImplemented"
	if held, err = p.put(three, held); err != nil || held.Leaf != three.Leaf() {
		t.Errorf("%+v %v", held, err)
	}
}

func TestEncryption(t *testing.T) {
	s := newStore(t)
	spec := s.spec("pair", goodKey)("one").(*s3.Spec)
	spec.SSE, spec.KMSKeyID = "aws:kms", "alias/tls"
	heads := 0
	s.answer = func(_ http.ResponseWriter, r *http.Request, after bool) bool {
		if !after && r.Method == http.MethodPut {
			heads++
			if r.Header.Get("X-Amz-Server-Side-Encryption") != "aws:kms" || r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != "alias/tls" {
				t.Errorf("%s goes without encryption", r.URL.Path)
			}
		}
		return false
	}
	if _, err := (place{t, spec, secrets()}).put(sinktest.Bundle(t, "example.com"), sinks.Held{}); err != nil || heads != 3 {
		t.Errorf("%v after %d writes", err, heads)
	}
}

func TestPairKeepsOneBefore(t *testing.T) {
	s := newStore(t)
	p := place{t, s.spec("pair", goodKey)("one"), secrets()}
	var was sinks.Held
	var bundles []*cert.Bundle
	for range 5 {
		b := sinktest.Bundle(t, "example.com")
		var err error
		if was, err = p.put(b, was); err != nil {
			t.Fatal(err)
		}
		bundles = append(bundles, b)
	}
	for i, b := range bundles {
		for _, name := range []string{"fullchain.pem", "privkey.pem"} {
			status, _ := s.do(http.MethodGet, "tls/one/"+string(b.Leaf())+"/"+name, nil)
			if want := map[bool]int{true: 200, false: 404}[i >= 3]; status != want {
				t.Errorf("%s of bundle %d of 5: status %d, want %d", name, i+1, status, want)
			}
		}
	}
	// Undo needs nothing that was removed, and removes nothing that is needed.
	if held, err := p.put(bundles[3], was); err != nil || held.Broken != "" {
		t.Fatalf("%+v %v", held, err)
	}
	chain, key, err := s.readPair("tls/one/current.json")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cert.ParseBundle(slices.Concat(chain, key)); err != nil || got.Leaf() != bundles[3].Leaf() {
		t.Errorf("%v %v", got, err)
	}
}

func TestHalfAPair(t *testing.T) {
	s := newStore(t)
	p := place{t, s.spec("pair", goodKey)("one"), secrets()}
	b := sinktest.Bundle(t, "example.com")
	if _, err := p.put(b, sinks.Held{}); err != nil {
		t.Fatal(err)
	}
	s.do(http.MethodDelete, "tls/one/"+string(b.Leaf())+"/privkey.pem", nil)
	held, err := p.look()
	if err != nil || held.Broken != "privkey.pem is missing" {
		t.Fatalf("%+v %v", held, err)
	}
	if held, err = p.put(b, held); err != nil || held.Broken != "" {
		t.Errorf("repair: %+v %v", held, err)
	}
}

func TestForeignObjects(t *testing.T) {
	s := newStore(t)
	p := place{t, s.spec("bundle", goodKey)("one"), secrets()}
	s.do(http.MethodPut, "tls/one.pem", []byte("something else"))
	held, err := p.look()
	if err != nil || held.Broken == "" || held.Rev == "" || held.Leaf != "" {
		t.Errorf("%+v %v", held, err)
	}
	// Who may not read it says so.
	r := place{t, s.spec("bundle", readerKey)("one"), secrets()}
	if held, err = r.look(); err != nil || !strings.Contains(held.Broken, "may not be read") {
		t.Errorf("%+v %v", held, err)
	}
	if held, err = p.put(sinktest.Bundle(t, "example.com"), held); err != nil || held.Broken != "" {
		t.Errorf("%+v %v", held, err)
	}
}

func TestManyNames(t *testing.T) {
	s := newStore(t)
	p := place{t, s.spec("bundle", goodKey)("one"), secrets()}
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("host-%03d.department.example.com", i))
	}
	if _, err := p.put(sinktest.Bundle(t, names...), sinks.Held{}); err != nil {
		t.Fatal(err)
	}
	size := 0
	for k, v := range s.lastHead {
		if strings.HasPrefix(k, "X-Amz-Meta-") {
			size += len(k) - len("X-Amz-Meta-") + len(v[0])
		}
	}
	if size == 0 || size > 2048 {
		t.Errorf("%d bytes of metadata, S3 takes 2048", size)
	}
}

func TestAdvice(t *testing.T) {
	s := newStore(t)
	r := place{t, s.spec("bundle", readerKey)("one"), secrets()}
	_, err := r.put(sinktest.Bundle(t, "example.com"), sinks.Held{})
	if !errors.Is(err, world.ErrNever) || !strings.Contains(err.Error(), "AccessDenied: Access Denied") {
		t.Errorf("%v does not keep the service's words", err)
	}
	if a := strings.Join(world.Advice(err), " "); !strings.Contains(a, "s3:PutObject") {
		t.Errorf("advice %q", a)
	}
	spec := s.spec("bundle", goodKey)("one").(*s3.Spec)
	spec.Bucket = "no-such-bucket"
	if _, err := (place{t, spec, secrets()}).put(sinktest.Bundle(t, "example.com"), sinks.Held{}); !errors.Is(err, world.ErrNever) || !strings.Contains(err.Error(), "NoSuchBucket") || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no bucket: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		spec s3.Spec
		want string
	}{
		{s3.Spec{}, "s3::b/site.pem"},
		{s3.Spec{Prefix: "tls/"}, "s3::b/tls/site.pem"},
		{s3.Spec{Prefix: "/tls/x", Name: "y.crt"}, "s3::b/tls/x/y.crt"},
		{s3.Spec{Layout: "pair", Prefix: "tls"}, "s3::b/tls/site/current.json"},
		{s3.Spec{Layout: "pair", Name: "y"}, "s3::b/y/current.json"},
		{s3.Spec{EndpointURL: "https://S3.example.com/"}, "s3:https://s3.example.com:b/site.pem"},
	} {
		c.spec.Bucket = "b"
		var n sinks.Named = &c.spec
		n.SetCertificate("site")
		if got := c.spec.Target(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	secret := block.NewSecret("env:S")
	for _, c := range []struct {
		name string
		spec s3.Spec
		arg  string
	}{
		{"plain", s3.Spec{}, "none"},
		{"pair with KMS", s3.Spec{Layout: "pair", SSE: "aws:kms", KMSKeyID: "k"}, "none"},
		{"key", s3.Spec{AccessKeyID: "a", SecretAccessKey: secret}, "none"},
		{"bucket", s3.Spec{Bucket: "a/b"}, "bucket"},
		{"layout", s3.Spec{Layout: "three"}, "layout"},
		{"sse", s3.Spec{SSE: "rot13"}, "sse"},
		{"KMS key without KMS", s3.Spec{SSE: "AES256", KMSKeyID: "k"}, "kms_key_id"},
		{"half a key", s3.Spec{AccessKeyID: "a"}, "access_key_id"},
		{"the other half", s3.Spec{SecretAccessKey: secret}, "secret_access_key"},
		{"profile and key", s3.Spec{AccessKeyID: "a", SecretAccessKey: secret, Profile: "p"}, "profile"},
		{"endpoint", s3.Spec{EndpointURL: "localhost:9000"}, "endpoint_url"},
		{"a password in the endpoint", s3.Spec{EndpointURL: "http://u:p@localhost:9000"}, "endpoint_url"},
		{"a folder for a name", s3.Spec{Name: "x/"}, "name"},
	} {
		if c.spec.Bucket == "" {
			c.spec.Bucket = "bucket"
		}
		c.spec.SetCertificate("site")
		bad := c.spec.Check()
		if c.arg == "none" && len(bad) > 0 || c.arg != "none" && (len(bad) != 1 || bad[0].Argument != c.arg) {
			t.Errorf("%s: %+v, want a problem at %q", c.name, bad, c.arg)
		}
	}
}
