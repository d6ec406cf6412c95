package googleclouddns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/certform/certform/orchestrator/world"
)

// scope lets records be changed and nothing else of Google Cloud.
const scope = "https://www.googleapis.com/auth/ndev.clouddns.readwrite"

// federated is the scope that a federated or impersonated identity needs to
// become another one.
const federated = "https://www.googleapis.com/auth/cloud-platform"

// credential finds who asks. The first token is asked for with the first
// request.
func (s *Spec) credential(ctx context.Context, w *world.World, client *http.Client) (token func(context.Context) (string, error), project string, err error) {
	if !s.AccessToken.Zero() {
		value, err := w.Resolve(ctx, s.AccessToken.Ref())
		if err != nil {
			return nil, "", err
		}
		value = strings.TrimSpace(value)
		return func(context.Context) (string, error) { return value, nil }, "", nil
	}
	// Tokens are renewed long after Open has returned.
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, client)
	var found *google.Credentials
	switch {
	case !s.Credentials.Zero():
		text, err := w.Resolve(ctx, s.Credentials.Ref())
		if err != nil {
			return nil, "", err
		}
		found, err = parse(ctx, []byte(text))
		if err != nil {
			return nil, "", fmt.Errorf("secret %q: %w", s.Credentials.Ref(), err)
		}
	case s.Default != "":
		text, err := os.ReadFile(s.Default)
		if err != nil {
			return nil, "", fmt.Errorf("read gcp_application_default: %w", err)
		}
		found, err = parse(ctx, text)
		if err != nil {
			return nil, "", fmt.Errorf("gcp_application_default %s: %w", s.Default, err)
		}
	default:
		found, err = google.FindDefaultCredentials(ctx, scope, federated)
		if err != nil {
			return nil, "", world.Never(world.Hint(errors.New("there are no application default credentials"),
				"give gcp_credentials, or run where gcloud works or a service account is attached"))
		}
	}
	return func(context.Context) (string, error) {
		t, err := found.TokenSource.Token()
		if err != nil {
			return "", fmt.Errorf("get an access token: %w", refused(err))
		}
		return t.AccessToken, nil
	}, found.ProjectID, nil
}

// parse reads a credential file, of whatever type it says it is: its owner gives
// it, so a federation's addresses are as good as a key. Errors could quote the
// file.
func parse(ctx context.Context, text []byte) (*google.Credentials, error) {
	var file struct {
		Type google.CredentialsType `json:"type"`
	}
	err := json.Unmarshal(text, &file)
	var found *google.Credentials
	if err == nil {
		found, err = google.CredentialsFromJSONWithType(ctx, text, file.Type, scope, federated)
	}
	if err != nil {
		return nil, world.Never(world.Hint(errors.New("this is no credential file of Google"),
			"it is the JSON that the console or gcloud gives for a service account, or a configuration of workload identity federation"))
	}
	return found, nil
}

// refused is the error of a token in the service's own words.
func refused(err error) error {
	var r *oauth2.RetrieveError
	if !errors.As(err, &r) {
		return err
	}
	code := 0
	if r.Response != nil {
		code = r.Response.StatusCode
	}
	// The library reads these words only for some ways to a token.
	words := struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}{r.ErrorCode, r.ErrorDescription}
	if words.Code == "" && json.Unmarshal(r.Body, &words) != nil {
		words.Code = http.StatusText(code)
	}
	short := fmt.Errorf("HTTP %d: %s", code, strings.TrimSpace(words.Code+" "+words.Description))
	if code >= 400 && code < 500 && code != http.StatusTooManyRequests {
		return &world.Fault{Err: short, Never: true, Advice: "the credential is wrong, or was revoked, or this machine's clock is"}
	}
	return short
}
