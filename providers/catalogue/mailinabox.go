package catalogue

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/mailinabox"
)

var mailinaboxRow = row{
	name: "mailinabox", title: "Mail-in-a-Box", version: "v1.0.0",
	quirks: providers.Quirks{PerSecond: 5},
	read: cites{
		Values: "several: github.com/luv2code/gomiabdns client.go:80@v1.1.0",
		Append: "adds; the HTTP status is not looked at: github.com/luv2code/gomiabdns client.go:93 and 243@v1.1.0",
		Delete: "by exact value, found by the box: github.com/luv2code/gomiabdns client.go:129@v1.1.0; the HTTP status is not looked at",
		ID:     "not needed: provider.go:147@v1.0.0",
		TTL:    "none: the box has one TTL, provider.go:114@v1.0.0",
		Batch:  "one call a record, and the list of zones before: provider.go:108 and 114@v1.0.0",
		Pace:   "nothing said; 5/s is assumed, two requests each",
		Zone:   "single records: provider.go:114 and 147@v1.0.0",
	},
	proof: scripted,
	special: "One box a process: upstream keeps the key of its session in a variable of the whole process, and would send it to a second box. The session ends after two days; certform run must then be started again. " +
		"Upstream prints each answer to standard output, without secrets. A challenge delegated to the very top of a zone cannot be written.",
	docs: map[string]string{
		"api_url":       "The URL of the box's administration, as https://box.example.com/admin.",
		"email_address": "The e-mail address of an administrator.",
		"password":      "The password of that administrator.",
		"totp_secret":   "The secret of its second factor, if it has one.",
	},
	secrets:  []string{"password", "totp_secret"},
	required: []string{"api_url", "email_address", "password"},
	example:  map[string]string{"api_url": "\"https://box.example.com/admin\""},
	open:     func() providers.Provider { return new(unreached) },
}

// unreached makes an error of the panic in which a lost connection ends
// (github.com/luv2code/gomiabdns client.go:186 and 244@v1.1.0), so that the call
// is made again.
type unreached struct{ mailinabox.Provider }

var errUnreached = errors.New("the box does not answer, or broke the connection")

func caught(err *error) {
	switch p := recover().(type) {
	case nil:
	case runtime.Error:
		*err = errUnreached
	default:
		*err = fmt.Errorf("libdns ended with a %T", p)
	}
}

func (p *unreached) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) (out []libdns.Record, err error) {
	defer caught(&err)
	return p.Provider.AppendRecords(ctx, zone, recs)
}

func (p *unreached) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) (out []libdns.Record, err error) {
	defer caught(&err)
	return p.Provider.DeleteRecords(ctx, zone, recs)
}

func (p *unreached) SetRecords(ctx context.Context, zone string, recs []libdns.Record) (out []libdns.Record, err error) {
	defer caught(&err)
	return p.Provider.SetRecords(ctx, zone, recs)
}

func (p *unreached) GetRecords(ctx context.Context, zone string) (out []libdns.Record, err error) {
	defer caught(&err)
	return p.Provider.GetRecords(ctx, zone)
}
