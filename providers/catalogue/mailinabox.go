package catalogue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/mailinabox"
	"github.com/pquerna/otp/totp"
)

var mailinaboxRow = row{
	name: "mailinabox", title: "Mail-in-a-Box", version: "v1.0.0",
	quirks: providers.Quirks{PerSecond: 5},
	read: cites{
		Values: "several: mailinabox.go, as github.com/luv2code/gomiabdns client.go:80@v1.1.0",
		Append: "ours, adds: mailinabox.go; upstream does not look at the HTTP status: github.com/luv2code/gomiabdns client.go:93 and 243@v1.1.0",
		Delete: "ours, by exact value, found by the box: mailinabox.go, as github.com/luv2code/gomiabdns client.go:129@v1.1.0",
		ID:     "not needed: provider.go:147@v1.0.0",
		TTL:    "none: the box has one TTL, provider.go:114@v1.0.0",
		Batch:  "one call a record: provider.go:114@v1.0.0",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: provider.go:114 and 147@v1.0.0",
	},
	proof: scripted,
	special: "The calls are certform's own: upstream keeps the key of its session in a variable of the whole process, would send it to a second box, " +
		"and does not log in again when the session has ended (github.com/luv2code/gomiabdns client.go:19 and 168@v1.1.0).",
	docs: map[string]string{
		"api_url":       "The URL of the box's administration, as https://box.example.com/admin.",
		"email_address": "The e-mail address of an administrator.",
		"password":      "The password of that administrator.",
		"totp_secret":   "The secret of its second factor, if it has one.",
	},
	secrets:  []string{"password", "totp_secret"},
	required: []string{"api_url", "email_address", "password"},
	example:  map[string]string{"api_url": "\"https://box.example.com/admin\""},
	open:     func() providers.Provider { return new(box) },
}

// box takes the arguments of upstream and makes its own calls; see the row.
type box struct {
	mailinabox.Provider
	HTTPClient *http.Client `json:"-"`

	mu  sync.Mutex
	key string // of the session; "" before the login and after its end
}

var errSession = errors.New("the box does not know this session")

// call makes one request with a password of the administrator: his own, or the
// key of the session.
func (p *box) call(ctx context.Context, method, path, password, code, body string) ([]byte, error) {
	if err := providers.Pace(ctx); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(p.APIURL, "/")+path, strings.NewReader(body))
	if err != nil {
		return nil, world.Never(errors.New("api_url is no URL"))
	}
	req.SetBasicAuth(p.EmailAddress, password)
	req.Header.Set("Accept", "application/json")
	if code != "" {
		req.Header.Set("X-Auth-Token", code)
	}
	res, err := p.HTTPClient.Do(req)
	if u := new(url.Error); errors.As(err, &u) {
		err = u.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	said := fmt.Errorf("%s %s: HTTP %d: %.200s", method, path, res.StatusCode, strings.Join(strings.Fields(string(answer)), " "))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return nil, errors.Join(said, errSession)
	case res.StatusCode == http.StatusBadRequest:
		return nil, errors.Join(said, providers.ErrRefused)
	case res.StatusCode > 299:
		return nil, said
	}
	return answer, nil
}

// session is the key of the session under way, or of a new one.
func (p *box) session(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.key != "" {
		return p.key, nil
	}
	code := ""
	if p.TOTPSecret != "" {
		var err error
		if code, err = totp.GenerateCode(strings.TrimSpace(p.TOTPSecret), time.Now()); err != nil {
			return "", world.Never(errors.New("totp_secret is no secret of a second factor"))
		}
	}
	const advice = "email_address, password and totp_secret are those of an administrator of the box"
	answer, err := p.call(ctx, http.MethodPost, "/login", p.Password, code, "")
	if errors.Is(err, errSession) {
		return "", world.Never(world.Hint(fmt.Errorf("log in: %w", err), advice))
	}
	if err != nil {
		return "", fmt.Errorf("log in: %w", err)
	}
	var in struct {
		Status, Reason string
		Privileges     []string
		Key            string `json:"api_key"`
	}
	if err := json.Unmarshal(answer, &in); err != nil {
		return "", fmt.Errorf("log in: the answer is not what was expected: %w", err)
	}
	if in.Status != "ok" || in.Key == "" || !slices.Contains(in.Privileges, "admin") {
		return "", world.Never(world.Hint(fmt.Errorf("log in: %s %s, privileges %q", in.Status, in.Reason, in.Privileges), advice))
	}
	p.key = in.Key
	return p.key, nil
}

// do makes a call in a session, and in a new one if that has ended.
func (p *box) do(ctx context.Context, method, path, body string) ([]byte, error) {
	for try := 1; ; try++ {
		key, err := p.session(ctx)
		if err != nil {
			return nil, err
		}
		answer, err := p.call(ctx, method, path, key, "", body)
		if !errors.Is(err, errSession) || try == 2 {
			return answer, err
		}
		p.mu.Lock()
		if p.key == key {
			p.key = ""
		}
		p.mu.Unlock()
	}
}

// change posts or removes records one by one. The box looks for their zone, and
// removing what is not there is no error.
func (p *box) change(ctx context.Context, method, zone string, recs []libdns.Record) (out []libdns.Record, err error) {
	for _, r := range recs {
		rr := r.RR()
		name := strings.TrimSuffix(providers.Absolute(rr.Name, zone), ".")
		if _, err := p.do(ctx, method, "/dns/custom/"+url.PathEscape(name)+"/"+url.PathEscape(rr.Type), rr.Data); err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (p *box) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.change(ctx, http.MethodPost, zone, recs)
}

func (p *box) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.change(ctx, http.MethodDelete, zone, recs)
}

// SetRecords is not offered: values are added and removed one by one.
func (p *box) SetRecords(context.Context, string, []libdns.Record) ([]libdns.Record, error) {
	return nil, errors.ErrUnsupported
}

// GetRecords reads the TXT records of a zone; the box lists those of all.
func (p *box) GetRecords(ctx context.Context, zone string) (out []libdns.Record, err error) {
	answer, err := p.do(ctx, http.MethodGet, "/dns/custom", "")
	if err != nil {
		return nil, err
	}
	var all []struct {
		Name  string `json:"qname"`
		Type  string `json:"rtype"`
		Value string `json:"value"`
		Zone  string `json:"zone"`
	}
	if err := json.Unmarshal(answer, &all); err != nil {
		return nil, fmt.Errorf("read the records: the answer is not what was expected: %w", err)
	}
	for _, r := range all {
		if rel, ok := providers.Relative(r.Name+".", zone); ok && r.Type == "TXT" && strings.EqualFold(r.Zone, strings.TrimSuffix(zone, ".")) {
			out = append(out, libdns.TXT{Name: rel, Text: r.Value})
		}
	}
	return out, nil
}
