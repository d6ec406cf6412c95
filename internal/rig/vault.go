package rig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// VaultConfig says how a Vault is reached.
type VaultConfig struct {
	TLS bool // https with a CA of its own, else http
}

// VaultServer is a running Vault in dev mode: unsealed, in memory, KV v2 at
// secret/. A restart forgets everything.
type VaultServer struct {
	*Process
	URL    string
	Token  string // root
	CAFile string // PEM; "" without TLS

	client *http.Client
}

// Vault starts vault server -dev. The program is looked for on the PATH and
// where internal/tools/vault.sh builds it.
func Vault(t testing.TB, c VaultConfig) *VaultServer {
	t.Helper()
	program := vaultProgram(t)
	dir := home(t)
	addr := Addr(t)
	s := &VaultServer{URL: "http://" + addr, Token: "root-" + portOf(addr), client: &http.Client{}}
	s.Process = &Process{Dir: dir, name: "vault", ready: s.answers,
		argv: []string{program, "server", "-dev", "-dev-no-store-token", "-dev-listen-address=" + addr},
		env:  []string{"VAULT_DEV_ROOT_TOKEN_ID=" + s.Token, "SKIP_SETCAP=1"},
	}
	if c.TLS {
		s.URL = "https://" + addr
		s.CAFile = filepath.Join(dir, "vault-ca.pem")
		s.argv = append(s.argv, "-dev-tls", "-dev-tls-cert-dir="+dir)
	}
	launch(t, s.Process)
	return s
}

// vaultVersion is the one that internal/tools/vault builds; a test keeps the two equal.
const vaultVersion = "1.21.0"

func vaultProgram(t testing.TB) string {
	t.Helper()
	var more []string
	if cache, err := cacheDir(); err == nil {
		more = append(more, filepath.Join(cache, "certform", "vault-"+vaultVersion))
	}
	path, ok := find("vault", more...)
	if !ok {
		lack(t, "vault", "sh internal/tools/vault.sh")
	}
	return path
}

// cacheDir is where the script looks, on every system: os.UserCacheDir differs
// on some.
func cacheDir() (string, error) {
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserHomeDir()
	return filepath.Join(dir, ".cache"), err
}

// Do sends a request with the root token to a path below /v1/ and returns the
// answer's "data", or all of it where it has none; the test ends if it is
// refused. A nil body sends none.
func (s *VaultServer) Do(t testing.TB, method, path string, body any) map[string]any {
	t.Helper()
	answer, err := s.do(context.Background(), method, path, body)
	if err != nil {
		t.Fatalf("vault: %s %s: %v", method, path, err)
	}
	if data, ok := answer["data"].(map[string]any); ok {
		return data
	}
	return answer
}

// Grant makes a token that has just the rights of a policy, written in Vault's
// own language.
func (s *VaultServer) Grant(t testing.TB, policy string) string {
	t.Helper()
	name := "rig-" + portOf(Addr(t))
	s.Do(t, http.MethodPut, "sys/policies/acl/"+name, map[string]any{"policy": policy})
	answer := s.Do(t, http.MethodPost, "auth/token/create", map[string]any{"policies": []string{name}})
	auth, _ := answer["auth"].(map[string]any)
	token, _ := auth["client_token"].(string)
	if token == "" {
		t.Fatal("vault: create a token: the answer holds none")
	}
	return token
}

func (s *VaultServer) do(ctx context.Context, method, path string, body any) (map[string]any, error) {
	b, err := call(ctx, s.client, method, s.URL+"/v1/"+path, http.Header{"X-Vault-Token": {s.Token}}, body)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	var answer map[string]any
	err = json.Unmarshal(b, &answer)
	return answer, err
}

func (s *VaultServer) answers(ctx context.Context) error {
	if s.CAFile != "" && s.client.Transport == nil { // it makes its CA at the start
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return errors.New("its CA is not written yet")
		}
		s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	}
	if _, err := s.do(ctx, http.MethodGet, "sys/health", nil); err != nil {
		return err
	}
	// Dev mode mounts KV after it has begun to answer, and turns it to v2 later.
	_, err := s.do(ctx, http.MethodGet, "secret/config", nil)
	return err
}
