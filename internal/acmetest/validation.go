package acmetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// validate decides a challenge: it looks from all places and tells the authorization. It runs in its own goroutine and
// ends with the CA.
func (ca *CA) validate(z *authz, i int, print string) {
	c := ca.config.Load()
	ca.count("validations")
	if c.ValidationDelay != nil {
		d := c.ValidationDelay(z.order)
		if d < 0 || !ca.sleep(ca.ctx, d) {
			return
		}
	}
	z.mu.Lock()
	typ, want := z.challenges[i].typ, keyDigest(z.challenges[i].token, print)
	z.mu.Unlock()
	var p *Problem
	if typ == "dns-01" {
		p = ca.look(c, "_acme-challenge."+z.name, want)
	} else {
		p = problem(http.StatusBadRequest, "connection", "%s: Fetching challenge: Connection refused", z.name)
	}
	if ca.ctx.Err() != nil {
		return
	}
	now := time.Now()
	z.mu.Lock()
	chall := z.challenges[i]
	if z.status != "pending" {
		z.mu.Unlock()
		return
	}
	if p == nil {
		chall.status, chall.validated = "valid", now
		z.status, z.validated = "valid", now
		if z.reuse > 0 {
			z.expires = now.Add(z.reuse).Truncate(time.Second)
		}
	} else {
		chall.status, chall.err = "invalid", p
		z.status = "invalid"
	}
	z.mu.Unlock()
	if p != nil {
		ca.limits.failed(c.Limits, z.account.id, z.order)
		return
	}
	ca.mu.Lock()
	ca.proven[z.account.id+" "+z.order] = z
	ca.mu.Unlock()
}

// look asks the first place, which must see the value, and then the others, of which some may not.
func (ca *CA) look(c *Config, name, want string) *Problem {
	ctx, cancel := context.WithTimeout(ca.ctx, 20*time.Second)
	defer cancel()
	if c.Lookup == nil {
		return problem(http.StatusInternalServerError, "serverInternal", "this CA has no resolver")
	}
	if p := see(ctx, c.Lookup, name, want); p != nil {
		return p
	}
	problems := make([]*Problem, len(c.Perspectives))
	var wg sync.WaitGroup
	for i, l := range c.Perspectives {
		wg.Go(func() { problems[i] = see(ctx, l, name, want) })
	}
	wg.Wait()
	failed := 0
	var p *Problem
	for _, q := range problems {
		if q != nil {
			failed++
			p = q
		}
	}
	if failed > c.AllowedFailures {
		p.Detail = "During secondary validation: " + p.Detail
		return p
	}
	return nil
}

func see(ctx context.Context, look Lookup, name, want string) *Problem {
	values, err := look(ctx, name)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return problem(http.StatusBadRequest, "dns", "DNS problem: NXDOMAIN looking up TXT for %s - check that a DNS record exists for this domain", name)
	case err != nil && (errors.Is(err, context.DeadlineExceeded) || dns != nil && dns.IsTimeout):
		return problem(http.StatusBadRequest, "dns", "DNS problem: query timed out looking up TXT for %s", name)
	case err != nil:
		return problem(http.StatusBadRequest, "dns", "DNS problem: SERVFAIL looking up TXT for %s - the domain's nameservers may be malfunctioning", name)
	case len(values) == 0:
		return unauthorized("No TXT record found at %s", name)
	}
	for _, v := range values {
		if v == want {
			return nil
		}
	}
	more := ""
	if len(values) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(values)-1)
	}
	return unauthorized("Incorrect TXT record %q%s found at %s", values[0], more, name)
}
