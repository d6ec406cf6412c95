package catalogue

import (
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/providers"
	"github.com/libdns/cloudns"
)

var cloudnsRow = row{
	name: "cloudns", title: "ClouDNS", version: "v1.2.0",
	quirks: providers.Quirks{MinTTL: time.Minute, PerSecond: 5},
	read: cites{
		Values: "several: each value is a record of its own, client.go:253@v1.2.0",
		Append: "adds: provider.go:159@v1.2.0",
		Delete: "by exact value: provider.go:276@v1.2.0 and plan.go:167@v1.2.0",
		ID:     "not needed: the zone is read for it, provider.go:264@v1.2.0",
		TTL:    "at least 60 s, rounded up to one of the host's steps: records.go:253@v1.2.0",
		Batch:  "one call a record: provider.go:158@v1.2.0; a removal lists the zone once a call, :264",
		Pace:   "nothing said; 5/s is assumed; 429 and 5xx are tried five times inside the provider, client.go:105@v1.2.0",
		Zone:   "single records: client.go:258@v1.2.0",
	},
	proof:   scripted,
	special: "The user is given by exactly one of auth_id, sub_auth_id and sub_auth_user.",
	docs: map[string]string{
		"auth_id":           "The id of the API user (auth-id).",
		"sub_auth_id":       "The id of the API sub-user (sub-auth-id).",
		"sub_auth_user":     "The name of the API sub-user (sub-auth-user).",
		"auth_password":     "The password of the API user or sub-user.",
		"operation_retries": "How often each call is tried.",
		"initial_backoff":   "The pause before the second try; it doubles after every failed one.",
		"max_backoff":       "The longest pause between tries.",
	},
	secrets:  []string{"auth_password"},
	required: []string{"auth_password"},
	example:  map[string]string{"auth_id": `"1234"`},
	open:     func() providers.Provider { return new(cloudns.Provider) },
	check: func(get func(string) string) []block.Problem {
		n := 0
		for _, a := range []string{"auth_id", "sub_auth_id", "sub_auth_user"} {
			if get(a) != "" {
				n++
			}
		}
		if n == 1 {
			return nil
		}
		return []block.Problem{{Argument: "auth_id", Summary: "One user", Detail: "ClouDNS takes exactly one of auth_id, sub_auth_id and sub_auth_user."}}
	},
}
