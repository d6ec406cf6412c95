package secret_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/certform/certform/internal/rig"
	"github.com/certform/certform/orchestrator/secret"
	"github.com/certform/certform/orchestrator/world"
)

// fakeVault answers as Vault's API does: KV version 2 at kv/, in one
// namespace, for one token.
func fakeVault(t *testing.T) (vars map[string]string) {
	mux := http.NewServeMux()
	answer := func(path string, code int, body string) {
		mux.HandleFunc("GET /v1/"+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Vault-Token") != "token-of-ours" || r.Header.Get("X-Vault-Namespace") != "team" {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, `{"errors":["permission denied"]}`)
				return
			}
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		})
	}
	answer("kv/data/dns/cloudflare", 200, `{"data":{"data":{"token":"`+canary+`","port":8200,"list":["`+canary+`"],"empty":""},"metadata":{"version":3,"created_time":"2026-01-02T03:04:05Z","deletion_time":"","destroyed":false}}}`)
	answer("kv/data/deleted", 404, `{"data":{"data":null,"metadata":{"version":3,"created_time":"2026-01-02T03:04:05Z","deletion_time":"2026-02-02T03:04:05Z","destroyed":false}}}`)
	answer("kv/data/none", 404, `{"errors":[]}`)
	answer("kv/data/broken", 500, `{"errors":["1 error occurred:\n\t* internal error"]}`)
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})), 0o600)
	return map[string]string{"VAULT_ADDR": server.URL, "VAULT_TOKEN": "token-of-ours", "VAULT_NAMESPACE": "team", "VAULT_CACERT": ca}
}

func TestVault(t *testing.T) {
	vars := fakeVault(t)
	// The process's own variables do not count, only those of the door.
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_TOKEN", "wrong")
	t.Setenv("VAULT_NAMESPACE", "wrong")
	w := environment(vars)
	var dialled atomic.Int32
	w.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	r := secret.New(w, t.TempDir())
	for ref, want := range map[string]string{"vault:kv/dns/cloudflare#token": canary, "vault:/kv/dns/cloudflare/#port": "8200"} {
		for range 3 {
			if got, err := r.Resolve(t.Context(), ref); err != nil || got != want {
				t.Errorf("%s: %q, %v; want %q", ref, got, err, want)
			}
		}
	}
	if dialled.Load() != 1 {
		t.Errorf("%d connections were opened through the door, want 1", dialled.Load())
	}
	for ref, says := range map[string]string{
		"vault:kv/dns/cloudflare#tokn":  `no field "tokn", only empty, list, port, token`,
		"vault:kv/dns/cloudflare#list":  "is not text",
		"vault:kv/dns/cloudflare#empty": "is empty",
		"vault:kv/deleted#token":        "newest version in Vault is deleted",
		"vault:kv/none#token":           "nothing at kv/none in Vault",
	} {
		refused(t, r, ref, says)
	}
	for name, says := range map[string]string{
		"VAULT_ADDR": "VAULT_ADDR is not set", "VAULT_TOKEN": "no token", "VAULT_NAMESPACE": "403 of Vault: permission denied", "VAULT_CACERT": "certificate",
	} {
		t.Run("without "+name, func(t *testing.T) {
			some := map[string]string{}
			for k, v := range vars {
				if k != name {
					some[k] = v
				}
			}
			refused(t, secret.New(environment(some), t.TempDir()), "vault:kv/dns/cloudflare#token", says)
		})
	}
}

// refused wants an error that says something and shows no secret.
func refused(t *testing.T, r *secret.Resolver, ref, says string) error {
	t.Helper()
	got, err := r.Resolve(t.Context(), ref)
	if err == nil || got != "" || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), ref) {
		t.Errorf("%s: %q, %v; want an error that says %q", ref, got, err, says)
		return errors.New("none")
	}
	said := fmt.Sprint(err, world.Advice(err))
	if strings.Contains(said, canary) || strings.Contains(said, "token-of-ours") || strings.Contains(said, "\n") {
		t.Errorf("%s says too much: %s", ref, said)
	}
	return err
}

// Where no variable gives a token, the one that vault login left is used.
func TestVaultTokenFile(t *testing.T) {
	vars := fakeVault(t)
	delete(vars, "VAULT_TOKEN")
	vars["HOME"] = t.TempDir()
	write(t, filepath.Join(vars["HOME"], ".vault-token"), "token-of-ours\n", 0o600)
	if got, err := secret.New(environment(vars), t.TempDir()).Resolve(t.Context(), "vault:kv/dns/cloudflare#token"); err != nil || got != canary {
		t.Errorf("%q, %v", got, err)
	}
}

// The same with Vault itself.
func TestRealVault(t *testing.T) {
	v := rig.Vault(t, rig.VaultConfig{TLS: true})
	v.Do(t, http.MethodPost, "secret/data/dns/cloudflare", map[string]any{"data": map[string]any{"token": "an older one"}})
	v.Do(t, http.MethodPost, "secret/data/dns/cloudflare", map[string]any{"data": map[string]any{"token": canary, "port": 8200}})
	v.Do(t, http.MethodPost, "secret/data/gone", map[string]any{"data": map[string]any{"token": canary}})
	v.Do(t, http.MethodDelete, "secret/data/gone", nil)
	v.Do(t, http.MethodPost, "secret/data/forbidden", map[string]any{"data": map[string]any{"token": canary}})
	reader := v.Grant(t, `path "secret/data/dns/*" { capabilities = ["read"] } path "secret/data/gone" { capabilities = ["read"] } path "secret/data/none" { capabilities = ["read"] }`)
	r := secret.New(environment(map[string]string{"VAULT_ADDR": v.URL, "VAULT_TOKEN": reader, "VAULT_CACERT": v.CAFile}), t.TempDir())
	for field, want := range map[string]string{"token": canary, "port": "8200"} {
		if got, err := r.Resolve(t.Context(), "vault:secret/dns/cloudflare#"+field); err != nil || got != want {
			t.Errorf("%s: %q, %v", field, got, err)
		}
	}
	refused(t, r, "vault:secret/dns/cloudflare#tokn", `no field "tokn", only port, token`)
	refused(t, r, "vault:secret/gone#token", "newest version in Vault is deleted")
	refused(t, r, "vault:secret/none#token", "nothing at secret/none")
	err := refused(t, r, "vault:secret/forbidden#token", "403")
	if _, again := world.RetryAt(err); again || len(world.Advice(err)) == 0 {
		t.Errorf("a forbidden path may be tried again, or comes without advice: %v", err)
	}
}
