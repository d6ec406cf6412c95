package e2e

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/certform/certform/internal/rig"
)

// pebble is Let's Encrypt's own test CA, which looks at one name server. It is
// asked one thing at a time, for its locks can wait for each other for ever.
func pebble(t *testing.T, dnsAddr string) (directory string, root []byte) {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{
		"default":    {Description: "ninety days", ValidityPeriod: 90 * 24 * 3600},
		"shortlived": {Description: "six days", ValidityPeriod: 6 * 24 * 3600},
	})
	validator := va.New(quiet, 5002, 5001, true, dnsAddr, store)
	front := wfe.New(quiet, store, validator, authority, []string{"ca.test"}, true, false, 0, 1)
	handler := front.Handler()
	var one sync.Mutex
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL + wfe.DirectoryPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// Pebble rejects every fifth nonce here, and is nobody of ours: it is the
// referee of the CA that the other tests use.
func TestPebbleAndBIND(t *testing.T) {
	t.Parallel()
	bind := rig.BIND(t, rig.BINDConfig{Zones: []string{"pebble.test"}})
	w := townAt(t, bind.Nameserver, "pebble.test")
	d := newDesk(t)
	w.config(d)
	directory, root := pebble(t, bind.Addr)
	d.write("pebble.pem", string(root))
	config := func(profile string) {
		d.config(fmt.Sprintf(`issuer "acme" "pebble" {
  directory = %q
  ca_file   = "pebble.pem"
}
`, directory), w.dns("ns", "pebble.test"), w.zoneBlocks(), fmt.Sprintf(`sink "file" "web" {
  directory = "tls/${certificate.name}"
}
certificate "site" {
  names   = ["pebble.test", "*.pebble.test"]
  sinks   = [sink.file.web]
%s}
certificate "h" {
  for_each = [for i in range(6) : tostring(i)]
  names    = ["h${each.key}.pebble.test", "*.h${each.key}.pebble.test"]
  key_type = each.key == "0" ? "rsa2048" : "ecdsa-p384"
  sinks    = [sink.file.web]
}
`, profile))
	}
	config("  profile = \"default\"\n") // without one Pebble takes any
	d.apply()
	d.atRest()
	w.clean()
	first := leafIn(t, d.path("tls", "site"))
	config("  profile = \"shortlived\"\n")
	d.drift("profile")
	d.apply()
	if next := leafIn(t, d.path("tls", "site")); !next.NotAfter.Before(first.NotAfter) {
		t.Errorf("the profile was not taken: until %s", next.NotAfter)
	}
	w.clean()
	d.atRest()
	// A profile that it does not offer: the error lists what it offers.
	config("  profile = \"tlsserver\"\n")
	d.want(3, "apply", "-auto-approve").says(t, "tlsserver", "shortlived")
}
