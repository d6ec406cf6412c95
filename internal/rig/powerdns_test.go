package rig_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/certform/certform/internal/rig"
)

func TestPowerDNS(t *testing.T) {
	t.Parallel()
	s := rig.PowerDNS(t, rig.PowerDNSConfig{Zones: []string{"a.test"}})
	const name = "_acme-challenge.a.test"
	// Asked before, so that a cached denial would show.
	if got := s.TXT(t, name); got != nil {
		t.Errorf("TXT of a new zone: %q", got)
	}
	s.Do(t, http.MethodPatch, "/api/v1/servers/localhost/zones/a.test.", map[string]any{
		"rrsets": []any{map[string]any{
			"name": name + ".", "type": "TXT", "ttl": 60, "changetype": "REPLACE",
			"records": []any{
				map[string]any{"content": `"one"`, "disabled": false},
				map[string]any{"content": `"two"`, "disabled": false},
			},
		}},
	})
	if got := s.TXT(t, name); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("TXT after the change: %q", got)
	}
	want := []string{"SOA a.test.", "NS a.test.", "TXT " + name + ".", "TXT " + name + ".", "A ns1.a.test."}
	if got := short(s.Dump(t, "a.test")); !slices.Equal(got, want) {
		t.Errorf("the zone holds %q, want %q", got, want)
	}
	req, err := http.NewRequest(http.MethodGet, s.URL+"/api/v1/servers/localhost", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without the key: %s", resp.Status)
	}
}
