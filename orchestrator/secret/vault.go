package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/certform/certform/orchestrator/world"
)

// readVault reads one field of the newest version of a KV version 2 secret.
// Where Vault is and who asks comes from the variables that Vault's own
// program reads, and from the token it leaves in ~/.vault-token.
func (r *Resolver) readVault(ctx context.Context, mount, path, field string) (string, error) {
	client, release, err := r.vaultClient(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	got, err := client.KVv2(mount).Get(ctx, path)
	if err != nil {
		return "", vaultFault(mount, path, err)
	}
	if got.Data == nil {
		return "", errors.New("its newest version in Vault is deleted")
	}
	value, ok := got.Data[field]
	if !ok {
		return "", fmt.Errorf("it has no field %q, only %s", field, strings.Join(slices.Sorted(maps.Keys(got.Data)), ", "))
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return "", fmt.Errorf("field %q is not text", field)
}

// vaultClient makes a client of the connections that all references share.
func (r *Resolver) vaultClient(ctx context.Context) (*api.Client, func(), error) {
	get := func(name string) string { v, _ := r.world.Getenv(name); return v }
	address, ca := get("VAULT_ADDR"), get("VAULT_CACERT")
	if address == "" {
		return nil, nil, world.Hint(errors.New("VAULT_ADDR is not set"), "set VAULT_ADDR and VAULT_TOKEN as for Vault's own program")
	}
	token := get("VAULT_TOKEN")
	if home := get("HOME"); token == "" && home != "" {
		if data, err := os.ReadFile(r.path("~/.vault-token")); err == nil {
			token = strings.TrimSpace(string(data))
		}
	}
	if token == "" {
		return nil, nil, world.Hint(errors.New("there is no token for Vault"), "set VAULT_TOKEN, or log in with vault login")
	}
	connections, release, err := world.Shared(ctx, r.world, "secret vault "+ca, func(context.Context) (*http.Client, error) {
		c, err := r.world.Client(world.HTTP{CAFile: ca, Timeout: patience})
		if err == nil {
			// Vault's client follows its redirects itself, with the token.
			c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		}
		return c, err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("VAULT_CACERT: %w", err)
	}
	client, err := api.NewClient(&api.Config{Address: address, HttpClient: connections, Timeout: patience, MaxRetries: 2})
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("use the Vault of VAULT_ADDR: %w", err)
	}
	client.SetToken(token)
	client.ClearNamespace()
	if namespace := get("VAULT_NAMESPACE"); namespace != "" {
		client.SetNamespace(namespace)
	}
	return client, release, nil
}

// vaultFault keeps Vault's own words, on one line.
func vaultFault(mount, path string, err error) error {
	var answer *api.ResponseError
	switch {
	case errors.Is(err, api.ErrSecretNotFound):
		return fmt.Errorf("there is nothing at %s/%s in Vault", mount, path)
	case !errors.As(err, &answer):
		return err
	}
	words := strings.Join(strings.Fields(strings.Join(answer.Errors, "; ")), " ")
	if words == "" {
		words = http.StatusText(answer.StatusCode)
	}
	err = fmt.Errorf("answer %d of Vault: %s", answer.StatusCode, words)
	if answer.StatusCode == http.StatusForbidden {
		return world.Hint(world.Never(err), fmt.Sprintf("the token needs the read capability on %s/data/%s", mount, path))
	}
	return err
}
