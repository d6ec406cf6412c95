package providers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/miekg/dns"
)

// Validates returns an error if the resolvers refuse zone for its DNSSEC: CAs
// validate, and would not find a value that is there. It is an ErrBroken and
// names the zone. Each zone is asked for once a run, concurrently if one likes;
// resolvers that do not answer, or do not validate, are no error.
func (z *Zones) Validates(ctx context.Context, zone string) error {
	zone = canonical(zone)
	_, err := z.validations.of(zone).do(ctx, func(ctx context.Context) (struct{}, error) {
		_, err := z.validated(ctx, z.resolvers(ctx, z.guess(zone)), zone, dns.TypeSOA)
		var bogus *bogusError
		if errors.As(err, &bogus) {
			return struct{}{}, err
		}
		return struct{}{}, nil
	})
	if errors.Is(err, ErrBroken) {
		return err
	}
	return nil
}

// bogusError is what a validating resolver refuses and shows when it is told
// not to check (RFC 4035, section 3.2.2).
type bogusError struct {
	zone, resolver string
	said           string // the extended error of RFC 8914, "" if none was given
}

func (e *bogusError) Error() string {
	s := fmt.Sprintf("DNSSEC of zone %s is broken: resolver %s answers SERVFAIL, and answers when it does not check", bare(e.zone), e.resolver)
	if e.said != "" {
		s = fmt.Sprintf("DNSSEC of zone %s is broken: %s (resolver %s)", bare(e.zone), e.said, e.resolver)
	}
	return s
}

func (e *bogusError) Is(err error) bool { return err == ErrBroken }

// validated asks the resolvers, one after the other, until one answers or
// finds broken DNSSEC. SERVFAIL of the last that answered is an ErrBroken.
func (z *Zones) validated(ctx context.Context, resolvers []string, name string, typ uint16) (*dns.Msg, error) {
	if len(resolvers) == 0 {
		return nil, errNoResolver
	}
	var last error
	for _, addr := range resolvers {
		if err := z.ask.lives(ctx, addr, name, typ); err != nil {
			last = err
			continue
		}
		r, err := z.ask.exchange(ctx, addr, question(name, typ, true), 2*time.Second, 4*time.Second)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		switch {
		case err != nil:
			last = err
		case r.Rcode == dns.RcodeSuccess || r.Rcode == dns.RcodeNameError:
			return r, nil
		case r.Rcode == dns.RcodeServerFailure:
			if zone := z.unchecked(ctx, addr, name, typ); zone != "" {
				// Asked once more: a fault that has passed since is none.
				again, err := z.ask.exchange(ctx, addr, question(name, typ, true), 2*time.Second, 4*time.Second)
				if err == nil && again.Rcode != dns.RcodeServerFailure {
					return again, nil
				}
				return nil, &bogusError{zone, addr, extended(r)}
			}
			last = fmt.Errorf("resolver %s answers SERVFAIL%s: %w", addr, prefixed(": ", extended(r)), ErrBroken)
		default:
			last = fmt.Errorf("resolver %s answers %s", addr, dns.RcodeToString[r.Rcode])
		}
	}
	return nil, last
}

// unchecked asks once more without checking, and returns the zone that the
// answer is from; "" if that brings no answer either.
func (z *Zones) unchecked(ctx context.Context, addr, name string, typ uint16) string {
	for _, typ := range []uint16{typ, dns.TypeSOA} {
		q := question(name, typ, true)
		q.CheckingDisabled = true
		r, err := z.ask.exchange(ctx, addr, q, 2*time.Second, 4*time.Second)
		if err != nil || r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
			return ""
		}
		for _, rr := range append(r.Ns, r.Answer...) {
			if soa, ok := rr.(*dns.SOA); ok {
				return dns.CanonicalName(soa.Hdr.Name)
			}
		}
	}
	return name
}

// extended is the extended errors of an answer (RFC 8914) in words.
func extended(r *dns.Msg) string {
	opt := r.IsEdns0()
	if opt == nil {
		return ""
	}
	var words []string
	for _, o := range opt.Option {
		e, ok := o.(*dns.EDNS0_EDE)
		if !ok {
			continue
		}
		word := dns.ExtendedErrorCodeToString[e.InfoCode]
		if word == "" {
			word = fmt.Sprintf("extended error %d", e.InfoCode)
		}
		words = append(words, word+prefixed(": ", printable(e.ExtraText)))
	}
	return strings.Join(words, "; ")
}

// printable is a text of a stranger for people: one line, not too long.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return strings.TrimSpace(s)
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
