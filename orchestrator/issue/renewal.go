package issue

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/mholt/acmez/v3/acme"
)

const (
	renewalDefault = 6 * time.Hour // after a lasting error, or without a Retry-After
	renewalSoon    = 15 * time.Minute
	renewalLeast   = time.Minute
	renewalMost    = 24 * time.Hour
	// renewalPatience is short: a plan of many certificates is behind it.
	renewalPatience = 30 * time.Second
)

// renewalID names a certificate to the CA (RFC 9773, section 4.1).
func renewalID(x *x509.Certificate) (string, error) {
	if len(x.AuthorityKeyId) == 0 {
		return "", fmt.Errorf("the certificate has no authority key identifier")
	}
	return acme.ARIUniqueIdentifier(x)
}

// Renewal asks for the renewal window of a chain's leaf (RFC 9773, section
// 4.2). A CA without renewalInfo, a certificate that it cannot be asked about
// and one that has expired have none, and that is no error.
func (a *issuer) Renewal(ctx context.Context, chain cert.Chain) (win Window, next time.Time, ok bool, err error) {
	now := time.Now()
	leaf := chain.Leaf()
	id, idErr := renewalID(leaf)
	if idErr != nil || now.After(leaf.NotAfter) {
		return Window{}, now.Add(renewalMost), false, nil
	}
	c, release, err := a.shared(ctx)
	if err != nil {
		return Window{}, now.Add(renewalDefault), false, err
	}
	defer release()
	t := &trip{patience: renewalPatience}
	dir, err := c.directory(ctx, t)
	if err != nil {
		return Window{}, askAgain(err), false, err
	}
	if dir.RenewalInfo == "" {
		return Window{}, now.Add(renewalMost), false, nil
	}
	var info struct {
		Window struct {
			Start time.Time `json:"start"`
			End   time.Time `json:"end"`
		} `json:"suggestedWindow"`
		URL string `json:"explanationURL"`
	}
	var after time.Time
	err = c.ask(ctx, t, "read the renewal window", func(ctx context.Context) error {
		err := c.getJSON(ctx, strings.TrimSuffix(dir.RenewalInfo, "/")+"/"+id, &info)
		after = exchangeOf(ctx).after
		return err
	})
	if err != nil {
		return Window{}, askAgain(err), false, err
	}
	now = time.Now()
	if !info.Window.End.After(info.Window.Start) || info.Window.Start.IsZero() {
		return Window{}, now.Add(renewalDefault), false,
			fmt.Errorf("%s: the renewal window ends (%s) before it starts (%s)", c.host, info.Window.End, info.Window.Start)
	}
	next = now.Add(renewalDefault)
	if !after.IsZero() {
		next = now.Add(min(max(after.Sub(now), renewalLeast), renewalMost))
	}
	return Window{Start: info.Window.Start, End: info.Window.End, URL: info.URL}, next, true, nil
}

// askAgain says when to ask after err: what may pass soon is asked soon, what
// lasts is left alone for hours (RFC 9773, section 4.3.3).
func askAgain(err error) time.Time {
	now := time.Now()
	if at, _ := world.RetryAt(err); !at.IsZero() {
		return now.Add(min(max(at.Sub(now), renewalLeast), renewalMost))
	}
	status := statusOf(err)
	var ne net.Error
	if status >= 500 || status == 429 || errors.As(err, &ne) && ne.Timeout() || errors.Is(err, context.Canceled) {
		return now.Add(renewalSoon)
	}
	return now.Add(renewalDefault)
}
