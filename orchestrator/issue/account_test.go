package issue_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/orchestrator/issue"
)

func TestAccount(t *testing.T) {
	t.Run("several runners make one", func(t *testing.T) {
		withCA(t, acmetest.Config{Latency: 10 * time.Millisecond}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
			var wg sync.WaitGroup
			for i := range 5 {
				a := h.issuer(cfg, nil)
				for j := range 2 {
					w, job := h.claim(a, "", fmt.Sprintf("h%d-%d.example.com", i, j))
					wg.Go(func() { h.run(a, w, job) })
				}
			}
			wg.Wait()
			accounts := map[string]bool{}
			for _, c := range ca.Issued() {
				accounts[c.Account] = true
			}
			if len(accounts) != 1 {
				t.Errorf("accounts: %v", accounts)
			}
		})
	})
	t.Run("one that the CA has dropped is registered again with its key", func(t *testing.T) {
		gone := acmetest.Fault{Problem: &acmetest.Problem{Type: "accountDoesNotExist", Status: 400, Detail: "no such account"}}
		withCA(t, acmetest.Config{Fault: hears("newOrder", 1, gone)}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
			a := h.issuer(cfg, nil)
			w, job := h.claim(a, "", "example.com")
			h.run(a, w, job)
			counts(t, ca, map[string]int{"newAccount": 2})
		})
	})
	t.Run("its key rests sealed", func(t *testing.T) {
		withCA(t, acmetest.Config{}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
			a := h.issuer(cfg, nil)
			w, job := h.claim(a, "", "example.com")
			h.run(a, w, job)
			e, err := h.store.Get(t.Context(), issue.AccountKey(cfg.Directory, ""))
			if err != nil || !strings.Contains(string(e.Data), `"url":"https://ca.test/acct/`) {
				t.Errorf("%v %s", err, e.Data)
			}
			if strings.Contains(string(e.Data), "PRIVATE KEY") {
				t.Errorf("a key in the clear: %s", e.Data)
			}
		})
	})
	t.Run("an external binding", func(t *testing.T) {
		const canary = "Q0FOQVJZLWNhbmFyeS1jYW5hcnktY2FuYXJ5IQ"
		c := acmetest.Config{EABRequired: true, EABKeys: map[string][]byte{"kid": []byte("CANARY-canary-canary-canary!")}}
		for value, ok := range map[string]bool{canary: true, canary + "==": true, " " + canary + "\n": true, "not base64 " + canary: false} {
			withCA(t, c, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
				cfg.EABKid, cfg.EABKey = "kid", "env:EAB"
				a := h.issuer(cfg, map[string]string{"env:EAB": value})
				w, job := h.claim(a, "", "example.com")
				_, err := h.try(a, w, job)
				if (err == nil) != ok {
					t.Errorf("%q: %v", value, err)
				}
				if err != nil && strings.Contains(err.Error(), canary) {
					t.Errorf("the secret is in the error: %v", err)
				}
				if a.Account() == h.issuer(issue.ACME{Directory: cfg.Directory}, nil).Account() {
					t.Error("an account with a binding is another one")
				}
				// The next process needs the secret no more.
				if err == nil {
					a := h.issuer(cfg, nil)
					w, job := h.claim(a, "", "www.example.com")
					h.run(a, w, job)
				}
			})
		}
	})
}

func TestRevoke(t *testing.T) {
	withCA(t, acmetest.Config{}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
		a := h.issuer(cfg, nil)
		w, job := h.claim(a, "", "example.com")
		chain := h.run(a, w, job)
		for range 2 { // the second time it is revoked already
			if err := h.issuer(cfg, nil).Revoke(t.Context(), chain.Leaf(), 4); err != nil {
				t.Error(err)
			}
		}
		if !ca.Issued()[0].Revoked {
			t.Error("it is not revoked")
		}
	})
}
