package vault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/certform/certform/internal/rig"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/sinktest"
	"github.com/certform/certform/sinks/vault"
)

func TestRealConformance(t *testing.T) {
	v := rig.Vault(t, rig.VaultConfig{TLS: true})
	reader := v.Grant(t, `path "secret/metadata/*" { capabilities = ["read"] }`)
	writer := v.Grant(t, `path "secret/metadata/*" { capabilities = ["create", "update", "read"] }
path "secret/data/*" { capabilities = ["create", "update"] }`)
	row := 0
	sinktest.Run(t, sinktest.Fixture{New: func(t *testing.T) sinktest.Backend {
		row++
		in := fmt.Sprintf("row-%d/", row)
		at := func(token string) func(name string) sinks.Spec {
			return func(name string) sinks.Spec {
				return &vault.Spec{Address: v.URL, CAFile: v.CAFile, Path: in + name, Token: block.NewSecret("env:" + token)}
			}
		}
		return sinktest.Backend{
			World:    secrets(nil),
			Spec:     at(v.Token),
			Denied:   at("hvs.wrong"),
			ReadOnly: at(reader),
			Compares: true,
			Secrets:  []string{v.Token, reader},
			Change: func(name string, b *cert.Bundle) {
				key, err := b.Key().PEM()
				if err != nil {
					t.Fatal(err)
				}
				v.Do(t, http.MethodPost, "secret/data/"+in+name, map[string]any{"data": map[string]any{
					"certificate": string(b.CertPEM()), "chain": string(b.IntermediatesPEM()), "fullchain": string(b.FullchainPEM()), "private_key": string(key)}})
			},
			Read: func(name string) (chain, key []byte, err error) {
				data, _ := v.Do(t, http.MethodGet, "secret/data/"+in+name, nil)["data"].(map[string]any)
				full, _ := data["fullchain"].(string)
				k, _ := data["private_key"].(string)
				return []byte(full), []byte(k), nil
			},
		}
	}})

	t.Run("rights to write, not to read data", func(t *testing.T) {
		p := place{t, &vault.Spec{Address: v.URL, CAFile: v.CAFile, Path: "w/one", Token: block.NewSecret("env:" + writer)}, secrets(nil)}
		one, two := sinktest.Bundle(t, "example.com"), sinktest.Bundle(t, "example.com")
		held, err := p.put(one, sinks.Held{})
		if err != nil {
			t.Fatal(err)
		}
		if held, err = p.put(two, held); err != nil || held.Leaf != two.Leaf() || len(held.Notes) > 0 {
			t.Errorf("%+v %v", held, err)
		}
		if held, err = p.look(); err != nil || held.Leaf != two.Leaf() {
			t.Errorf("%+v %v", held, err)
		}
	})
	t.Run("deleted and destroyed", func(t *testing.T) {
		p := place{t, &vault.Spec{Address: v.URL, CAFile: v.CAFile, Path: "d/one", Token: block.NewSecret("env:" + v.Token)}, secrets(nil)}
		for n, harm := range []func(){
			func() { v.Do(t, http.MethodDelete, "secret/data/d/one", nil) },
			func() {
				v.Do(t, http.MethodPut, "secret/destroy/d/one", map[string]any{"versions": []int{2}})
			},
			func() { v.Do(t, http.MethodDelete, "secret/metadata/d/one", nil) },
		} {
			b := sinktest.Bundle(t, "example.com")
			if held, err := p.put(b, sinks.Held{}); err != nil || held.Rev != fmt.Sprint(n+1) {
				t.Fatalf("%d: %+v %v", n, held, err)
			}
			harm()
			if held, err := p.look(); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%d: %+v %v", n, held, err)
			}
		}
		if held, err := p.put(sinktest.Bundle(t, "example.com"), sinks.Held{}); err != nil || held.Rev != "1" {
			t.Errorf("%+v %v", held, err)
		}
	})
	t.Run("not a version 2 mount, and none", func(t *testing.T) {
		v.Do(t, http.MethodPost, "sys/mounts/old", map[string]any{"type": "kv", "options": map[string]any{"version": "1"}})
		for mount, want := range map[string]string{"old": "version 2", "none": "none"} {
			p := place{t, &vault.Spec{Address: v.URL, CAFile: v.CAFile, Mount: mount, Path: "x", Token: block.NewSecret("env:" + v.Token)}, secrets(nil)}
			if _, err := p.put(sinktest.Bundle(t, "example.com"), sinks.Held{}); !errors.Is(err, world.ErrNever) || !strings.Contains(err.Error()+strings.Join(world.Advice(err), " "), want) {
				t.Errorf("%s: %v %q", mount, err, world.Advice(err))
			}
			if _, err := p.look(); !errors.Is(err, world.ErrNever) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: look: %v", mount, err)
			}
		}
	})
	t.Run("approle", func(t *testing.T) {
		v.Do(t, http.MethodPost, "sys/auth/approle", map[string]any{"type": "approle"})
		v.Do(t, http.MethodPut, "sys/policies/acl/tls", map[string]any{"policy": `path "secret/*" { capabilities = ["create", "update", "read"] }`})
		v.Do(t, http.MethodPost, "auth/approle/role/certform", map[string]any{"token_policies": []string{"tls"}, "token_ttl": "1h"})
		role, _ := v.Do(t, http.MethodGet, "auth/approle/role/certform/role-id", nil)["role_id"].(string)
		id, _ := v.Do(t, http.MethodPost, "auth/approle/role/certform/secret-id", map[string]any{})["secret_id"].(string)
		s := &vault.Spec{Address: v.URL, CAFile: v.CAFile, Path: "a/one", RoleID: role, SecretID: block.NewSecret("env:" + id)}
		p := place{t, s, secrets(nil)}
		if _, err := p.put(sinktest.Bundle(t, "example.com"), sinks.Held{}); err != nil {
			t.Error(err)
		}
		s.SecretID = block.NewSecret("env:wrong")
		if _, err := p.look(); !errors.Is(err, world.ErrNever) || !strings.Contains(err.Error(), "log in to Vault by auth/approle/login") {
			t.Errorf("%v", err)
		}
	})
}
