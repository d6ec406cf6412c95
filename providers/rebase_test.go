package providers_test

import (
	"testing"

	"github.com/certform/certform/providers"
)

func TestRebased(t *testing.T) {
	for path, want := range map[string]string{"": "", "ca.pem": "/etc/certform/ca.pem", "/etc/ca.pem": "/etc/ca.pem", "../ca.pem": "/etc/ca.pem"} {
		if got := providers.Rebased("/etc/certform", path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
