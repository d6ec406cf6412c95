package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/certform/certform/orchestrator/world"
)

// clouds is where each of Azure's clouds is managed, and for whom its tokens
// are.
var clouds = map[string]struct {
	config             cloud.Configuration
	endpoint, audience string
}{
	"public":     {cloud.AzurePublic, "https://management.azure.com", "https://management.core.windows.net/"},
	"china":      {cloud.AzureChina, "https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn"},
	"government": {cloud.AzureGovernment, "https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net"},
}

// credential finds who asks.
func (s *Spec) credential(ctx context.Context, w *world.World, client *http.Client) (func(context.Context) (string, error), error) {
	where := clouds[s.cloud()]
	options := azcore.ClientOptions{
		Cloud: where.config, Transport: client,
		Retry: policy.RetryOptions{MaxRetries: -1}, // the broker tries again
	}
	if s.Authority != "" {
		options.Cloud.ActiveDirectoryAuthorityHost = s.Authority
	}
	secret := ""
	var found azcore.TokenCredential
	var err error
	switch {
	case !s.ClientSecret.Zero():
		if secret, err = w.Resolve(ctx, s.ClientSecret.Ref()); err != nil {
			return nil, err
		}
		secret = strings.TrimSpace(secret)
		found, err = azidentity.NewClientSecretCredential(s.Tenant, s.ClientID, secret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: s.Authority != ""})
	case s.ClientID != "":
		found, err = s.identity(options)
	default:
		secret = os.Getenv("AZURE_CLIENT_SECRET")
		found, err = azidentity.NewDefaultAzureCredential(
			&azidentity.DefaultAzureCredentialOptions{ClientOptions: options, TenantID: s.Tenant, DisableInstanceDiscovery: s.Authority != ""})
	}
	if err != nil {
		return nil, world.Never(fmt.Errorf("find a credential: %w", err))
	}
	asked := policy.TokenRequestOptions{Scopes: []string{where.audience + "/.default"}}
	return func(ctx context.Context) (string, error) {
		t, err := found.GetToken(ctx, asked)
		if err != nil {
			return "", fmt.Errorf("get an access token: %w", refused(err, secret))
		}
		return t.Token, nil
	}, nil
}

// identity is the workload identity of client_id where there are such, else the
// managed identity.
func (s *Spec) identity(options azcore.ClientOptions) (azcore.TokenCredential, error) {
	var chain []azcore.TokenCredential
	workload, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: options, ClientID: s.ClientID, TenantID: s.Tenant, DisableInstanceDiscovery: s.Authority != ""})
	if err == nil { // else this is no cluster with workload identities
		chain = append(chain, workload)
	}
	managed, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
		ClientOptions: options, ID: azidentity.ClientID(s.ClientID)})
	if err != nil {
		return nil, err
	}
	return azidentity.NewChainedTokenCredential(append(chain, managed), nil)
}

// refused is the error of a token in the service's own words, without the
// secret, should it be said back.
func refused(err error, secret string) error {
	var failed *azidentity.AuthenticationFailedError
	var missing interface{ NonRetriable() }
	switch {
	case errors.As(err, &failed) && failed.RawResponse != nil:
	case failed == nil && errors.As(err, &missing):
		return &world.Fault{Err: errors.New(line(err.Error(), secret)), Never: true,
			Advice: "give tenant_id, client_id and client_secret, or run where the pod or the machine has an identity or az is logged in"}
	default: // no answer
		return errors.New(line(err.Error(), secret))
	}
	code := failed.RawResponse.StatusCode
	words := struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}{}
	body, readErr := runtime.Payload(failed.RawResponse)
	if readErr != nil || json.Unmarshal(body, &words) != nil {
		words.Code = http.StatusText(code)
	}
	description, _, _ := strings.Cut(words.Description, " Trace ID:")
	short := fmt.Errorf("HTTP %d: %s", code, line(words.Code+" "+description, secret))
	switch code {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return &world.Fault{Err: short, Never: true, Advice: "the credential is wrong, or has expired, or this machine's clock is"}
	}
	return short
}

// line is a text as one line that is not too long, and without the secret.
func line(text, secret string) string {
	if len(secret) > 3 {
		text = world.Mask([]string{secret}, nil).Replace(text)
	}
	text = strings.NewReplacer(":\n\t", ": ", "\n\t", "; ").Replace(text) // the library lists what it tried
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 600 {
		text = strings.ToValidUTF8(text[:600], "") + "..."
	}
	return text
}
