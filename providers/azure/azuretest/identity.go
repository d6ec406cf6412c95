package azuretest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Identity is the identity service of a tenant (Microsoft Entra ID), and the
// endpoint that gives tokens to a managed identity. It is an http.Handler.
type Identity struct {
	Tenant, ClientID string
	Secret           string // of the application; what a federation asserts is taken too
	Assertion        string
	Audience         string // whom tokens are for
	Token            string // that it gives

	mu    sync.Mutex
	asked []string
}

// Asked is how tokens were asked for: "client_secret", "client_assertion" or
// "managed identity".
func (i *Identity) Asked() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string{}, i.asked...)
}

func (i *Identity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code, description string) {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]any{"error": code, "error_description": description + " Trace ID: 1 Correlation ID: 2 Timestamp: 3"})
	}
	ask := func(how string) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.asked = append(i.asked, how)
	}
	w.Header().Set("Content-Type", "application/json")
	r.ParseForm()
	base := "https://" + r.Host + "/" + i.Tenant
	switch r.URL.Path {
	case "/msi/token":
		ask("managed identity")
		id := r.Form.Get("client_id")
		switch {
		case r.Header.Get("X-IDENTITY-HEADER") != "header" || r.Form.Get("resource") != i.Audience:
			refuse(http.StatusBadRequest, "invalid_request", "The request is not one for an identity.")
		case id != "" && id != i.ClientID:
			refuse(http.StatusBadRequest, "invalid_request", "No identity "+id+" is assigned here.")
		default:
			// Soon over, since the library remembers it for the process.
			soon := strconv.FormatInt(time.Now().Add(time.Second).Unix(), 10)
			json.NewEncoder(w).Encode(map[string]any{"access_token": i.Token, "expires_on": soon, "resource": i.Audience, "token_type": "Bearer", "client_id": i.ClientID})
		}
	case "/" + i.Tenant + "/v2.0/.well-known/openid-configuration":
		json.NewEncoder(w).Encode(map[string]any{"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token"})
	case "/" + i.Tenant + "/oauth2/v2.0/token":
		secret, assertion := r.Form.Get("client_secret"), r.Form.Get("client_assertion")
		switch {
		case secret != "":
			ask("client_secret")
		case assertion != "":
			ask("client_assertion")
		}
		switch {
		case r.Form.Get("grant_type") != "client_credentials" || !strings.HasPrefix(r.Form.Get("scope"), i.Audience+"/.default"):
			refuse(http.StatusBadRequest, "invalid_scope", "AADSTS70011: The provided value for scope "+r.Form.Get("scope")+" is not valid.")
		case r.Form.Get("client_id") != i.ClientID:
			refuse(http.StatusBadRequest, "unauthorized_client", "AADSTS700016: Application with identifier '"+r.Form.Get("client_id")+"' was not found in the directory.")
		case assertion != "" && assertion == i.Assertion, secret != "" && secret == i.Secret:
			json.NewEncoder(w).Encode(map[string]any{"access_token": i.Token, "expires_in": 3599, "ext_expires_in": 3599, "token_type": "Bearer"})
		default:
			// The real service does not say the secret back; a proxy may.
			refuse(http.StatusUnauthorized, "invalid_client", "AADSTS7000215: Invalid client secret provided: "+secret+".")
		}
	default:
		refuse(http.StatusBadRequest, "invalid_tenant", "AADSTS90002: Tenant '"+strings.Split(strings.Trim(r.URL.Path, "/"), "/")[0]+"' not found.")
	}
}
