package acmetest_test

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/mholt/acmez/v3/acme"
)

func TestIssuance(t *testing.T) {
	check := func(t *testing.T, w *world) {
		defer w.close()
		chains, err := w.obtain(dnsNames("example.com", "*.example.com"))
		if err != nil {
			t.Fatal(err)
		}
		if len(chains) != 2 {
			t.Fatalf("%d chains, want the default and an alternate", len(chains))
		}
		for i, ch := range chains {
			cs := certs(t, ch.ChainPEM)
			if len(cs) != 2 || !slices.Equal(cs[0].DNSNames, []string{"*.example.com", "example.com"}) {
				t.Fatalf("chain %d: %d certificates for %v", i, len(cs), cs[0].DNSNames)
			}
			roots, inter := x509.NewCertPool(), x509.NewCertPool()
			roots.AddCert(w.ca.Root(i))
			inter.AddCert(cs[1])
			for _, name := range []string{"example.com", "www.example.com"} {
				if _, err := cs[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: inter}); err != nil {
					t.Errorf("chain %d: %v", i, err)
				}
			}
			if life := cs[0].NotAfter.Sub(cs[0].NotBefore) + time.Second; life != 90*24*time.Hour {
				t.Errorf("life %s", life)
			}
			if back := time.Since(cs[0].NotBefore); back < time.Hour || back > time.Hour+time.Minute {
				t.Errorf("notBefore lies %s back", back)
			}
			if ch.RenewalInfo == nil || !ch.RenewalInfo.HasWindow() || ch.RenewalInfo.UniqueIdentifier != acmetest.CertID(cs[0]) {
				t.Errorf("renewal info: %+v", ch.RenewalInfo)
			}
		}
		if left := w.dns.AllTXT(); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
		is := w.ca.Issued()
		if len(is) != 1 || !slices.Equal(is[0].Names, []string{"*.example.com", "example.com"}) || is[0].Revoked {
			t.Errorf("issued: %+v", is)
		}
		// Revocation by the account, once.
		if err := w.client.RevokeCertificate(t.Context(), w.account, is[0].Cert, nil, acme.ReasonSuperseded); err != nil {
			t.Errorf("revoke: %v", err)
		}
		err = w.client.RevokeCertificate(t.Context(), w.account, is[0].Cert, nil, acme.ReasonSuperseded)
		wantProblem(t, "revoke again", err, 400, "alreadyRevoked", "")
		if !w.ca.Issued()[0].Revoked {
			t.Error("not marked as revoked")
		}
		if c := w.ca.Counts(); c["orders"] != 1 || c["certificates"] != 1 || c["validations"] != 2 {
			t.Errorf("counts: %v", c)
		}
	}
	t.Run("bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { check(t, inMemory(t, acmetest.Config{})) })
	})
	t.Run("bubble, as demanding as Let's Encrypt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := acmetest.LetsEncrypt(nil)
			c.Roots, c.FrontDoor = 2, nil
			c.Latency, c.MaxInFlight = 25*time.Millisecond, 2
			check(t, inMemory(t, c))
		})
	})
	t.Run("loopback", func(t *testing.T) { check(t, overLoopback(t, acmetest.Config{})) })
}

func TestAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, acmetest.Config{EABKeys: map[string][]byte{"kid-1": []byte("0123456789abcdef")}})
		defer w.close()
		ctx := t.Context()
		again, err := w.client.NewAccount(ctx, acme.Account{TermsOfServiceAgreed: true, PrivateKey: w.account.PrivateKey})
		if err != nil || again.Location != w.account.Location {
			t.Errorf("the same key again: %s, want %s; %v", again.Location, w.account.Location, err)
		}
		found, err := w.client.GetAccount(ctx, acme.Account{PrivateKey: w.account.PrivateKey})
		if err != nil || found.Location != w.account.Location {
			t.Errorf("find by key: %v %v", found, err)
		}
		_, err = w.client.GetAccount(ctx, acme.Account{PrivateKey: newKey(t)})
		wantProblem(t, "unknown key", err, 400, "accountDoesNotExist", "")
		_, err = w.client.NewAccount(ctx, acme.Account{PrivateKey: newKey(t)})
		wantProblem(t, "terms", err, 400, "malformed", "terms of service")
		_, err = w.client.NewAccount(ctx, acme.Account{TermsOfServiceAgreed: true, Contact: []string{"tel:1"}, PrivateKey: newKey(t)})
		wantProblem(t, "contact", err, 400, "unsupportedContact", "")

		w.ca.Configure(func(c *acmetest.Config) { c.EABRequired = true })
		_, err = w.client.NewAccount(ctx, acme.Account{TermsOfServiceAgreed: true, PrivateKey: newKey(t)})
		wantProblem(t, "no binding", err, 403, "externalAccountRequired", "")
		for _, tt := range []struct {
			kid, mac string
			ok       bool
		}{
			{"kid-1", "MDEyMzQ1Njc4OWFiY2RlZg", true},
			{"kid-1", "MDEyMzQ1Njc4OWFiY2RlZA", false},
			{"kid-2", "MDEyMzQ1Njc4OWFiY2RlZg", false},
		} {
			a := acme.Account{TermsOfServiceAgreed: true, PrivateKey: newKey(t)}
			if err := a.SetExternalAccountBinding(ctx, w.client, acme.EAB{KeyID: tt.kid, MACKey: tt.mac}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.client.NewAccount(ctx, a); tt.ok && err != nil || !tt.ok && problemOf(err).Status != 403 {
				t.Errorf("binding with %s %s: %v", tt.kid, tt.mac, err)
			}
			a.PrivateKey = newKey(t)
			if _, err := w.client.NewAccount(ctx, a); problemOf(err).Status != 403 {
				t.Errorf("binding for another key: %v", err)
			}
		}

		old := w.account
		if w.account, err = w.client.AccountKeyRollover(ctx, w.account, newKey(t)); err != nil {
			t.Fatalf("rollover: %v", err)
		}
		if _, err := w.obtain(dnsNames("a.example.com")); err != nil {
			t.Errorf("with the new key: %v", err)
		}
		if _, err := w.client.NewOrder(ctx, old, dnsNames("b.example.com")); problemOf(err).Status != 400 {
			t.Errorf("with the old key: %v", err)
		}
		gone := w.account
		gone.Status = "deactivated"
		if _, err := w.client.UpdateAccount(ctx, gone); err != nil {
			t.Errorf("deactivate: %v", err)
		}
		_, err = w.client.NewOrder(ctx, w.account, dnsNames("b.example.com"))
		wantProblem(t, "deactivated", err, 403, "unauthorized", "deactivated")
	})
}

func TestIntermediatesAreChosenAtRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]int{}
		w := inMemory(t, acmetest.Config{Seed: 7, Intermediates: 3, Authorized: func(string) bool { return true }})
		defer w.close()
		for i := range 30 {
			chains, err := w.obtain(dnsNames(string(rune('a'+i%26)) + strings.Repeat("x", i/26) + ".example.com"))
			if err != nil {
				t.Fatal(err)
			}
			seen[certs(t, chains[0].ChainPEM)[1].Subject.CommonName]++
		}
		if len(seen) != 3 {
			t.Errorf("intermediates: %v", seen)
		}
		if got := w.ca.Counts()["validations"]; got != 0 {
			t.Errorf("%d validations although all was authorized", got)
		}
	})
}
