package verify

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/certform/certform/orchestrator/cert"
)

// judge says why a client that asked for name would not accept what is served,
// or nil. The chain must build from what is served alone: to a root that is
// trusted here, or, where none is, it must hold all of the issued chain.
func judge(served []*x509.Certificate, name string, roots *x509.CertPool, issued cert.Chain, now time.Time) error {
	leaf := served[0]
	if now.After(leaf.NotAfter) {
		return fmt.Errorf("the certificate expired at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if now.Before(leaf.NotBefore) {
		return fmt.Errorf("the certificate is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	if err := leaf.VerifyHostname(name); err != nil {
		return fmt.Errorf("the certificate is not for %s, only for %q", name, cert.LeafNames(leaf))
	}
	between := x509.NewCertPool()
	for _, x := range served[1:] {
		between.AddCert(x)
	}
	opts := x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now}
	_, err := leaf.Verify(opts)
	var unknown x509.UnknownAuthorityError
	var noRoots x509.SystemRootsError
	if err == nil || !errors.As(err, &unknown) && !errors.As(err, &noRoots) {
		return chainFault(err)
	}
	if len(issued) == 0 {
		return chainFault(err)
	}
	if !bytes.Equal(issued[0].Raw, leaf.Raw) {
		return nil // that it is another certificate is fault enough; its chain is not ours to judge
	}
	for i, x := range issued[1:] {
		if last := i == len(issued)-2; last && selfSigned(x) {
			break // a root: clients have it or do not trust it
		}
		if !holds(served, x) {
			return fmt.Errorf("the chain is incomplete: %q is not served", x.Subject.CommonName)
		}
	}
	opts.Roots = x509.NewCertPool()
	opts.Roots.AddCert(issued[len(issued)-1])
	_, err = leaf.Verify(opts)
	return chainFault(err)
}

func chainFault(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the chain does not build: %w", err)
}

func selfSigned(x *x509.Certificate) bool { return bytes.Equal(x.RawSubject, x.RawIssuer) }

func holds(served []*x509.Certificate, x *x509.Certificate) bool {
	for _, s := range served {
		if bytes.Equal(s.Raw, x.Raw) {
			return true
		}
	}
	return false
}
