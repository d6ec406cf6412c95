package rig_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/certform/certform/internal/rig"
)

func TestVault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]rig.VaultConfig{"http": {}, "https": {TLS: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rig.Vault(t, c)
			if s.Do(t, http.MethodGet, "sys/health", nil)["sealed"] != false {
				t.Error("it is sealed")
			}
			client := vaultClient(t, s, s.Token)
			if _, err := client.KVv2("secret").Put(t.Context(), "tls/a", map[string]any{"k": "v"}, api.WithCheckAndSet(0)); err != nil {
				t.Fatal(err)
			}
			data, _ := s.Do(t, http.MethodGet, "secret/data/tls/a", nil)["data"].(map[string]any)
			if data["k"] != "v" {
				t.Errorf("it holds %v", data)
			}

			reader := vaultClient(t, s, s.Grant(t, `path "secret/data/tls/*" { capabilities = ["read"] }`))
			if _, err := reader.KVv2("secret").Get(t.Context(), "tls/a"); err != nil {
				t.Errorf("read with the right to read: %v", err)
			}
			_, err := reader.KVv2("secret").Put(t.Context(), "tls/a", map[string]any{"k": "w"})
			if err == nil || !strings.Contains(err.Error(), "permission denied") {
				t.Errorf("write with the right to read: %v", err)
			}
		})
	}
}

func vaultClient(t *testing.T, s *rig.VaultServer, token string) *api.Client {
	t.Helper()
	cfg := api.DefaultConfig()
	cfg.Address = s.URL
	if s.CAFile != "" {
		if err := cfg.ConfigureTLS(&api.TLSConfig{CACert: s.CAFile}); err != nil {
			t.Fatal(err)
		}
	}
	client, err := api.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(token)
	return client
}
