package file_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/internal/rig"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/file"
	"github.com/certform/certform/sinks/sinktest"
)

// Of many sites of one nginx one gets a key that nginx refuses: the others are
// served, that one goes on with its old certificate, and nginx is not
// reloaded once for each.
func TestRealNGINX(t *testing.T) {
	t.Parallel()
	const sites, bad = 12, 7
	dir := t.TempDir()
	ca := sinktest.NewCA(t)
	name := func(i int) string { return fmt.Sprintf("site-%d.example.com", i) }
	at := func(i int) string { return filepath.Join(dir, name(i)) }
	w := &world.World{}
	var conf rig.NGINXConfig
	old, was := make([]*cert.Bundle, sites), make([]sinks.Held, sites)
	for i := range sites {
		old[i] = ca.Bundle(sinktest.Order{Names: []string{name(i)}})
		s, err := (&file.Spec{Directory: at(i)}).Open(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		if was[i], err = s.Put(t.Context(), old[i], sinks.Held{}); err != nil {
			t.Fatal(err)
		}
		conf.Sites = append(conf.Sites, rig.Site{Names: []string{name(i)},
			Certificate: filepath.Join(at(i), "fullchain.pem"), Key: filepath.Join(at(i), "privkey.pem")})
	}
	n := rig.NGINX(t, conf)

	next, errs := make([]*cert.Bundle, sites), make([]error, sites)
	var wg sync.WaitGroup
	for i := range sites {
		o := sinktest.Order{Names: []string{name(i)}}
		if i == bad {
			o.Key = weakKey(t)
		}
		next[i] = ca.Bundle(o)
		s, err := (&file.Spec{Directory: at(i), Test: n.TestCommand(), Reload: n.ReloadCommand()}).Open(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { _, errs[i] = s.Put(t.Context(), next[i], was[i]) })
	}
	wg.Wait()
	for i := range sites {
		want := next[i]
		if i == bad {
			want = old[i]
			if errs[i] == nil || !strings.Contains(errs[i].Error(), "key too small") {
				t.Errorf("site %d: %v does not keep nginx's words", i, errs[i])
			}
		} else if errs[i] != nil {
			t.Errorf("site %d: %v", i, errs[i])
		}
		deadline := time.Now().Add(20 * time.Second)
		for cert.Print(rig.Leaf(t, n.Addr, name(i))) != want.Leaf() {
			if time.Now().After(deadline) {
				t.Fatalf("site %d is not served", i)
			}
		}
	}
}

func weakKey(t *testing.T) cert.Key {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	key, err := cert.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
