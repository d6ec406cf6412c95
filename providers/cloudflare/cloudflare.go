// Package cloudflare changes zones at Cloudflare.
//
// All changes of a batch travel in one request, which Cloudflare makes in one
// transaction or refuses. Values are removed by the id of their record, which
// is remembered from its creation or looked up by its exact name and value.
package cloudflare

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
)

const example = `dns "cloudflare" "main" {
  api_token = secret("env:CLOUDFLARE_API_TOKEN")
}
`

// Kind is the line of this provider in the table of all.
func Kind() providers.Kind {
	return providers.Kind{
		Name:    "cloudflare",
		Doc:     "Cloudflare.",
		Example: example,
		New:     func() providers.Spec { return &Spec{} },
		Quirks: providers.Quirks{Batch: mostPaid, PerSecond: 3.9, MinTTL: time.Minute,
			Source: "developers.cloudflare.com: 200 records a batch on the free plan and 3,500 on others, 1,200 requests in five minutes and user, least TTL 60"},
		Special: "Additions and removals of a zone go in one batch, of the size that the plan of the zone takes; it is one transaction. What is there already, or not " +
			"there any more, is success. The ids of records are found by name and value.",
		Proven: []providers.Proof{{Level: providers.Stricter, By: []string{"github.com/cloudflare/cloudflare-go/v6"}}},
	}
}

// Spec is a block dns "cloudflare".
type Spec struct {
	APIToken  block.Secret `arg:"api_token,required" doc:"An API token (not a global key) with Zone.DNS:Edit for the zones; Zone.Zone:Read too unless zone_token has it."`
	ZoneToken block.Secret `arg:"zone_token" doc:"A token with Zone.Zone:Read, used to find zones."`
	User      string       `arg:"user" doc:"Any name for the user whose token this is. Cloudflare counts 1,200 requests in five minutes by user, whatever the token and the zone, and a token does not say whose it is: so all blocks that give the same name, or none, share that. Give tokens of different users different names."`
	BaseURL   string       `arg:"base_url" default:"https://api.cloudflare.com/client/v4" doc:"Where the API is, for a proxy or a test."`
}

// Check says what is wrong beyond the types of the arguments.
func (s *Spec) Check() (out []block.Problem) {
	if u, err := url.Parse(s.BaseURL); s.BaseURL != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http") {
		out = append(out, block.Problem{Argument: "base_url", Summary: "Not a URL",
			Detail: "base_url begins with https:// or http:// and names a host, without a password."})
	}
	return out
}

// Account is the user, by whom Cloudflare counts. Its API tells a token with
// rights for zones nothing of the user behind it (GET /user needs another right,
// and the owner of a zone is not who made the token), so two tokens are one
// user's unless the blocks say otherwise.
func (s *Spec) Account() string { return s.BaseURL + " " + s.User }

// View is the token: two tokens may see two zones of one name.
func (s *Spec) View() string { return s.APIToken.Ref() }

// Open connects; nothing is asked yet.
func (s *Spec) Open(ctx context.Context, w *world.World) (providers.Provider, error) {
	client, err := w.Client(world.HTTP{Timeout: 45 * time.Second})
	if err != nil {
		return nil, err
	}
	base := s.BaseURL
	if base == "" {
		base = "https://api.cloudflare.com/client/v4"
	}
	with := func(token string) *rest.Client {
		return &rest.Client{HTTP: client, Base: base, Header: map[string]string{"Authorization": "Bearer " + token}, Say: said}
	}
	token, err := w.Resolve(ctx, s.APIToken.Ref())
	if err != nil {
		return nil, err
	}
	p := &provider{records: with(token), zones: with(token), held: map[string]held{}, known: map[string]map[value]string{}}
	if !s.ZoneToken.Zero() {
		if token, err = w.Resolve(ctx, s.ZoneToken.Ref()); err != nil {
			return nil, err
		}
		p.zones = with(token)
	}
	return p, nil
}

// trouble is the errors in an answer.
type trouble struct {
	Success bool `json:"success"`
	Errors  []struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Chain   []struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error_chain"`
	} `json:"errors"`
}

func (t trouble) has(codes ...int) bool {
	for _, e := range t.Errors {
		for _, c := range codes {
			if e.Code == c {
				return true
			}
		}
		for _, link := range e.Chain {
			for _, c := range codes {
				if link.Code == c {
					return true
				}
			}
		}
	}
	return false
}

func (t trouble) String() string {
	var out []string
	for _, e := range t.Errors {
		text := fmt.Sprintf("%s (%d)", e.Message, e.Code)
		for _, link := range e.Chain {
			text += fmt.Sprintf(", %s (%d)", link.Message, link.Code)
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func said(body []byte) string {
	var t trouble
	if json.Unmarshal(body, &t) != nil {
		return ""
	}
	return t.String()
}

// Codes of errors that mean something to us.
const (
	codeExists    = 81057 // "The record already exists."
	codeIdentical = 81058 // "An identical record already exists."
	codeGone      = 81044 // "Record does not exist."
	codeNoZone    = 7003  // "Could not route to /zones/..., perhaps your object identifier is invalid?"
)

// codeForbidden is "Authentication error": a token that is known and may not do
// this.
const codeForbidden = 10000

// codesOfToken are those of a token that is malformed, unknown or expired; they
// come with status 400 too.
var codesOfToken = []int{6003, 6111, 9103, 9106, 9109, 10001}
