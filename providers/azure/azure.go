// Package azure changes zones at Azure DNS. Private DNS is another service of
// Azure, which is not reached.
//
// A set of records is written only as it was last seen: under its etag, or as
// one that must not be there yet. So no value of another writer is lost, and
// names that are most probably new need no reading before. What a set has
// besides its values stays as the service gave it.
//
// Azure takes one set a request. The sets of a change travel side by side.
package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
)

const example = `dns "azure" "main" {
  subscription_id     = "00000000-0000-0000-0000-000000000000"
  resource_group_name = "dns"
  tenant_id           = "11111111-1111-1111-1111-111111111111"
  client_id           = "22222222-2222-2222-2222-222222222222"
  client_secret       = secret("env:AZURE_CLIENT_SECRET")
}
`

// Kind is the line of this provider in the table of all.
func Kind() providers.Kind {
	return providers.Kind{
		Name: "azure",
		Doc: "Azure DNS. Without client_secret it asks as the environment says (AZURE_CLIENT_ID and its like), as the workload identity of a cluster, " +
			"the managed identity of the machine, or who is logged in with az. The role DNS Zone Contributor of the zones is enough.",
		Example: example,
		New:     func() providers.Spec { return &Spec{} },
		Quirks: providers.Quirks{Batch: 50, PerSecond: 3, Burst: 20,
			Source: "learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling: 1,000 writes in five minutes and subscription; " +
				"learn.microsoft.com/azure/dns/dns-zones-records: etags, least TTL 1, 4,096 characters in a set; " +
				"one set a request: armdns/recordsets_client.go:83@v1.2.0. " +
				"Of libdns only the arguments are used: it adds with If-None-Match, so no second value, removes the whole set, and prints records: client.go:96, 120 and 353@v0.5.0"},
		Special: "The values of a name are one set there, and each is written with the etag with which it was read, so that a change that somebody else made meanwhile " +
			"is not lost but makes it be read again.",
		Proven: []providers.Proof{{Level: providers.Stricter, By: []string{"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/dns/armdns"}}},
	}
}

// Spec is a block dns "azure".
type Spec struct {
	Subscription string       `arg:"subscription_id,required" doc:"The ID of the subscription of the zones."`
	Group        string       `arg:"resource_group_name" doc:"The resource group of the zones; default: zones are looked for in all groups of the subscription."`
	Tenant       string       `arg:"tenant_id" doc:"The ID of the tenant that the application is in."`
	ClientID     string       `arg:"client_id" doc:"The ID of the application; without client_secret, of the workload identity or the managed identity to use."`
	ClientSecret block.Secret `arg:"client_secret" doc:"A client secret of the application."`
	Cloud        string       `arg:"cloud" doc:"Which cloud it is: public, china or government." default:"public"`
	Endpoint     string       `arg:"endpoint" doc:"Another endpoint of the management API than the cloud's."`
	Authority    string       `arg:"authority" doc:"Another identity service than the cloud's, an https URL."`
	CAFile       string       `arg:"ca_file" doc:"A PEM file of the roots that vouch for both, instead of the system's."`
}

// Rebase makes ca_file absolute.
func (s *Spec) Rebase(dir string) { s.CAFile = providers.Rebased(dir, s.CAFile) }

// Check says what is wrong beyond the types of the arguments.
func (s *Spec) Check() (out []block.Problem) {
	if !s.ClientSecret.Zero() && (s.Tenant == "" || s.ClientID == "") {
		out = append(out, block.Problem{Argument: "client_secret", Summary: "A secret without an application",
			Detail: "client_secret needs tenant_id and client_id: a secret does not say which application it is of."})
	}
	if _, ok := clouds[s.cloud()]; !ok {
		out = append(out, block.Problem{Argument: "cloud", Summary: "Unknown cloud", Detail: "cloud is public, china or government."})
	}
	for _, a := range []struct {
		name, value string
		schemes     []string
	}{{"endpoint", s.Endpoint, []string{"https", "http"}}, {"authority", s.Authority, []string{"https"}}} {
		u, err := url.Parse(a.value)
		if a.value != "" && (err != nil || u.Host == "" || u.User != nil || !slices.Contains(a.schemes, u.Scheme)) {
			out = append(out, block.Problem{Argument: a.name, Summary: "Not a URL",
				Detail: a.name + " begins with " + strings.Join(a.schemes, ":// or ") + ":// and names a host, without a password."})
		}
	}
	return out
}

// Account is the subscription: Azure counts by it.
func (s *Spec) Account() string {
	return strings.ToLower(strings.Join([]string{s.base(), s.Subscription}, " "))
}

// View is the resource group: each may have a zone of the same name.
func (s *Spec) View() string { return strings.ToLower(s.Group) }

// Open finds the credential; the first token is asked for with the first
// request.
func (s *Spec) Open(ctx context.Context, w *world.World) (providers.Provider, error) {
	client, err := w.Client(world.HTTP{CAFile: s.CAFile, Timeout: 45 * time.Second})
	if err != nil {
		return nil, err
	}
	token, err := s.credential(ctx, w, client)
	if err != nil {
		return nil, err
	}
	return &provider{
		c:            &rest.Client{HTTP: client, Base: s.base(), Token: token, Say: said},
		subscription: s.Subscription, group: s.Group,
		zones: map[string]string{}, known: map[string]map[string]set{}, pages: map[string]int{},
	}, nil
}

func (s *Spec) cloud() string {
	if s.Cloud == "" {
		return "public"
	}
	return s.Cloud
}

func (s *Spec) base() string {
	if s.Endpoint != "" {
		return strings.TrimSuffix(s.Endpoint, "/")
	}
	return clouds[s.cloud()].endpoint
}

// trouble is an answer that is no success.
type trouble struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	// Azure DNS itself answers without the envelope.
	Code    string `json:"code"`
	Message string `json:"message"`
}

func decode(body []byte) (code, message string) {
	var t trouble
	if json.Unmarshal(body, &t) != nil {
		return "", ""
	}
	if t.Error.Code != "" || t.Error.Message != "" {
		return t.Error.Code, t.Error.Message
	}
	return t.Code, t.Message
}

func said(body []byte) string {
	code, message := decode(body)
	switch {
	case message == "":
		return code
	case code == "":
		return message
	}
	return message + " (" + code + ")"
}

// statusOf is what the service said in an error; nil if it said nothing.
func statusOf(err error) (s *rest.Status) {
	errors.As(err, &s)
	return s
}

// denied finds the action in the words of a refusal.
var denied = regexp.MustCompile(`perform action '([^']+)' over scope '([^']+)'`)

const apiVersion = "api-version=2018-05-01"

// do makes a request that needs an action. path has its query already, or has
// none.
func (p *provider) do(ctx context.Context, action, method, path string, conditions map[string]string, in, out any) error {
	if !strings.Contains(path, "?") {
		path += "?" + apiVersion
	}
	err := p.c.DoIf(ctx, method, path, conditions, in, out)
	s := statusOf(err)
	if s == nil || s.Code != http.StatusForbidden {
		return err
	}
	code, message := decode(s.Body)
	if !strings.Contains(code, "AuthorizationFailed") {
		return err
	}
	scope := "subscription " + p.subscription
	if found := denied.FindStringSubmatch(message); found != nil {
		action, scope = found[1], found[2]
	}
	return rest.Lacking(err, fmt.Sprintf("%s at %s", action, scope),
		"the role DNS Zone Contributor has all that is needed: Microsoft.Network/dnsZones/read, and Microsoft.Network/dnsZones/TXT/read, write and delete")
}
