package issue

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/state"
	"github.com/mholt/acmez/v3/acme"
)

// download fetches the chain of a valid order (RFC 8555, section 7.4.2) and
// takes it only if it is what was ordered.
func (s *session) download(ctx context.Context, w *state.Work, o *acme.Order) error {
	var got []acme.Certificate
	err := s.ask(ctx, "download the certificate", func(ctx context.Context) (err error) {
		exchangeOf(ctx).oneChain = s.cfg.PreferredChain == ""
		got, err = s.dir.client.GetCertificateChain(ctx, s.account, o.Certificate)
		return err
	})
	if err != nil {
		if forgotten(err) {
			return lost(err)
		}
		return err
	}
	var chains []cert.Chain
	for i, g := range got {
		c, err := assemble(g.ChainPEM)
		if err == nil {
			err = s.check(c)
		}
		if err != nil {
			if i > 0 {
				// An alternate that cannot be used is not one.
				continue
			}
			err = fmt.Errorf("%s: the certificate of order %s: %w", s.client.host, o.Location, err)
			if errors.Is(err, errOtherKey) && !s.finalized {
				// CAs hand the account's open order to whoever orders the same
				// names: another certificate of ours was the quicker.
				return lost(err)
			}
			return invalid(err)
		}
		chains = append(chains, c)
	}
	s.extra(chains[0])
	w.Chain, w.Phase = s.prefer(chains).PEM(), state.Issued
	return nil
}

// assemble puts the certificates that came back into the order in which each
// is signed by the next. The leaf comes first (RFC 8555, section 9.1); CAs
// have sent the rest twice, in disorder, and with strangers among them, and
// refusing that would only have them sign another one.
func assemble(data []byte) (cert.Chain, error) {
	var all []*x509.Certificate
	for {
		var b *pem.Block
		b, data = pem.Decode(data)
		if b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		x, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the chain: %w", len(all)+1, err)
		}
		all = append(all, x)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no certificate in the answer")
	}
	chain, rest := cert.Chain(all[:1:1]), all[1:]
	for {
		last := chain[len(chain)-1]
		i := slices.IndexFunc(rest, func(x *x509.Certificate) bool {
			return bytes.Equal(last.RawIssuer, x.RawSubject) && last.CheckSignatureFrom(x) == nil && !slices.ContainsFunc(chain, x.Equal)
		})
		if i < 0 {
			return chain, nil
		}
		chain = append(chain, rest[i])
	}
}

// errOtherKey marks a certificate that is for another key than ours.
var errOtherKey = errors.New("it is for key")

// check refuses a certificate that is not for our key and names. Some CAs add
// a name unasked; that is told and taken.
func (s *session) check(c cert.Chain) error {
	if have, want := cert.SPKI(c.Leaf().PublicKey), s.trip.job.Key.SPKI(); have != want {
		return fmt.Errorf("%w %s, ordered was one for key %s", errOtherKey, have.Short(), want.Short())
	}
	have, want := c.Names(), cert.Values(s.trip.job.Names)
	for _, n := range want {
		if !slices.Contains(have, n) {
			return fmt.Errorf("it names %v, ordered were %v", have, want)
		}
	}
	return nil
}

// extra tells of names that nobody ordered.
func (s *session) extra(c cert.Chain) {
	want := cert.Values(s.trip.job.Names)
	names := slices.DeleteFunc(c.Names(), func(n string) bool { return slices.Contains(want, n) })
	if len(names) > 0 {
		s.say(event.Event{Kind: event.Warned, Note: fmt.Sprintf("the CA added names that were not ordered: %v", names)})
	}
}

// prefer picks the chain that ends under the preferred issuer, or failing that
// one which has it anywhere; the CA's own choice otherwise.
func (s *session) prefer(chains []cert.Chain) cert.Chain {
	want := s.cfg.PreferredChain
	if want == "" {
		return chains[0]
	}
	for _, c := range chains {
		if c[len(c)-1].Issuer.CommonName == want {
			return c
		}
	}
	var offered []string
	for _, c := range chains {
		for _, x := range c {
			if x.Issuer.CommonName == want {
				return c
			}
		}
		offered = append(offered, c[len(c)-1].Issuer.CommonName)
	}
	s.say(event.Event{Kind: event.Warned,
		Note: fmt.Sprintf("no chain ends under %q; the CA offers %q, its own choice is used", want, offered)})
	return chains[0]
}
