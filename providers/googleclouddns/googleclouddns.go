// Package googleclouddns changes zones at Google Cloud DNS.
//
// A set of records is replaced only as it was last seen: the old set is among
// the deletions and the new one among the additions of one change, which the
// service makes as a whole or refuses. So no value of another writer is lost,
// and names that are most probably new need no reading before.
package googleclouddns

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
)

const example = `dns "googleclouddns" "main" {
  gcp_project     = "example-project"
  gcp_credentials = secret("env:GOOGLE_CREDENTIALS")
}
`

// Kind is the line of this provider in the table of all.
func Kind() providers.Kind {
	return providers.Kind{
		Name:    "googleclouddns",
		Doc:     "Google Cloud DNS.",
		Example: example,
		New:     func() providers.Spec { return &Spec{} },
		Quirks: providers.Quirks{Batch: 400, PerSecond: 10, Burst: 20,
			Source: "cloud.google.com/dns/quotas: 1,000 additions, 1,000 deletions and 100,000 bytes of data in a change, 100 records in a set, requests by project and minute"},
		Special: "The values of a name are one set there. It is removed exactly as it was read and added anew in one change, so that a change that somebody else made " +
			"meanwhile is not lost but makes it be read again.",
		Proven: []providers.Proof{{Level: providers.Stricter, By: []string{"google.golang.org/api/dns/v1"}}},
	}
}

const standardEndpoint = "https://dns.googleapis.com"

// Spec is a block dns "googleclouddns". Without a credential the application
// default ones are used: GOOGLE_APPLICATION_CREDENTIALS, those of gcloud, or
// the metadata server of the machine, which workload identity answers too.
type Spec struct {
	Project     string       `arg:"gcp_project" doc:"The project of the zones; default: the project of the credential."`
	Default     string       `arg:"gcp_application_default" doc:"A credential file: of a service account, of workload identity federation (external_account), or of gcloud; default: the application default credentials."`
	Credentials block.Secret `arg:"gcp_credentials" doc:"The content of such a file."`
	AccessToken block.Secret `arg:"gcp_access_token" doc:"An access token, for a run that is shorter than its life."`
	ManagedZone string       `arg:"managed_zone" doc:"Name of the managed zone to use for its own DNS name, where several have that name; default: the public one."`
	Endpoint    string       `arg:"endpoint" doc:"Another endpoint than Google's."`
	CAFile      string       `arg:"ca_file" doc:"A PEM file of the roots that vouch for the endpoint, instead of the system's."`
}

// Rebase makes ca_file and gcp_application_default absolute.
func (s *Spec) Rebase(dir string) {
	s.CAFile = providers.Rebased(dir, s.CAFile)
	if !content(s.Default) { // Check has something to say about that
		s.Default = providers.Rebased(dir, s.Default)
	}
}

// content reports whether what should be a path is what a file holds.
func content(file string) bool { return strings.HasPrefix(strings.TrimSpace(file), "{") }

// Check says what is wrong beyond the types of the arguments.
func (s *Spec) Check() (out []block.Problem) {
	var given []string
	for name, is := range map[string]bool{"gcp_application_default": s.Default != "", "gcp_credentials": !s.Credentials.Zero(), "gcp_access_token": !s.AccessToken.Zero()} {
		if is {
			given = append(given, name)
		}
	}
	if len(given) > 1 {
		out = append(out, block.Problem{Argument: given[0], Summary: "Two ways to say who",
			Detail: "Give one of gcp_application_default, gcp_credentials and gcp_access_token, or none to use the application default credentials."})
	}
	if !s.AccessToken.Zero() && s.Project == "" {
		out = append(out, block.Problem{Argument: "gcp_access_token", Summary: "No project",
			Detail: "A token does not say which project it is for: give gcp_project."})
	}
	if content(s.Default) {
		out = append(out, block.Problem{Argument: "gcp_application_default", Summary: "Not a file",
			Detail: `gcp_application_default is the path of a file. Give its content as gcp_credentials = secret("env:NAME").`})
	}
	if u, err := url.Parse(s.Endpoint); s.Endpoint != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http") {
		out = append(out, block.Problem{Argument: "endpoint", Summary: "Not a URL",
			Detail: "endpoint begins with https:// or http:// and names a host, without a password."})
	}
	return out
}

// Account is the project: Google counts by it, whoever asks
// (cloud.google.com/dns/quotas). A project that only the credential names is
// known by that.
func (s *Spec) Account() string {
	if s.Project != "" {
		return s.Endpoint + " " + s.Project
	}
	return strings.Join([]string{s.Endpoint, "of", s.Default, s.Credentials.Ref()}, " ")
}

// View is the managed zone: several may have the same name.
func (s *Spec) View() string { return s.ManagedZone }

// Open finds the credential, so that a wrong one is known before the first
// change.
func (s *Spec) Open(ctx context.Context, w *world.World) (providers.Provider, error) {
	client, err := w.Client(world.HTTP{CAFile: s.CAFile, Timeout: 45 * time.Second})
	if err != nil {
		return nil, err
	}
	token, project, err := s.credential(ctx, w, client)
	if err != nil {
		return nil, err
	}
	if s.Project != "" {
		project = s.Project
	}
	if project == "" {
		return nil, world.Never(world.Hint(fmt.Errorf("the credential belongs to no project"), "gcp_project says which"))
	}
	base := s.Endpoint
	if base == "" {
		base = standardEndpoint
	}
	return &provider{
		c: &rest.Client{
			HTTP: client, Base: strings.TrimSuffix(base, "/") + "/dns/v1/projects/" + url.PathEscape(project),
			Token: token, Say: said,
		},
		project: project, wanted: s.ManagedZone,
		zones: map[string]string{}, known: map[string]map[string]set{}, pages: map[string]int{},
	}, nil
}

// trouble is an answer that is no success.
type trouble struct {
	Error struct {
		Message string `json:"message"`
		Errors  []struct {
			Reason  string `json:"reason"`
			Message string `json:"message"`
		} `json:"errors"`
		Details []struct {
			Reason   string            `json:"reason"`
			Metadata map[string]string `json:"metadata"`
		} `json:"details"`
	} `json:"error"`
}

func (t trouble) has(reasons ...string) bool {
	for _, e := range t.Error.Errors {
		for _, r := range reasons {
			if e.Reason == r {
				return true
			}
		}
	}
	for _, d := range t.Error.Details {
		for _, r := range reasons {
			if d.Reason == r {
				return true
			}
		}
	}
	return false
}

func said(body []byte) string {
	var t trouble
	if json.Unmarshal(body, &t) != nil {
		return ""
	}
	text := t.Error.Message
	if len(t.Error.Errors) > 0 && !strings.EqualFold(t.Error.Errors[0].Reason, text) && t.Error.Errors[0].Reason != "" {
		text += " (" + t.Error.Errors[0].Reason + ")"
	}
	return text
}

// do makes a request that needs a right, which the host itself seldom names.
func (p *provider) do(ctx context.Context, right, method, path string, in, out any) error {
	err := p.c.Do(ctx, method, path, in, out)
	s, t := troubleOf(err)
	switch {
	case s == nil || s.Code != http.StatusForbidden && s.Code != http.StatusUnauthorized:
		return err
	case t.has("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"):
		// It comes with 403 too, and passes.
		return fmt.Errorf("%s %s: %w", method, strings.Split(path, "?")[0], s)
	case s.Code == http.StatusUnauthorized,
		t.has("accessNotConfigured", "SERVICE_DISABLED", "quotaExceeded", "dailyLimitExceeded", "billingNotEnabled", "BILLING_DISABLED"):
		return err
	}
	for _, d := range t.Error.Details {
		if named := d.Metadata["permission"]; named != "" {
			right = named
		}
	}
	return rest.Lacking(err, right+" in project "+p.project,
		"the role roles/dns.admin has all that is needed: dns.managedZones.list, dns.resourceRecordSets.list, create, update and delete, and dns.changes.create")
}
