package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"golang.org/x/sync/errgroup"
)

// floorOrder is what the floor's process is told.
type floorOrder struct {
	Case  Case      `json:"case"`
	World addresses `json:"world"`
	Dir   string    `json:"dir"` // for the files
}

// floorTimes is how long its phases took.
type floorTimes struct {
	Account time.Duration `json:"account_ns"`
	Orders  time.Duration `json:"orders_ns"`
	Adding  time.Duration `json:"adding_ns"`
	Wait    time.Duration `json:"propagation_ns"`
	Finish  time.Duration `json:"finish_ns"`
}

func (t floorTimes) total() time.Duration { return t.Account + t.Orders + t.Adding + t.Wait + t.Finish }

// floor does the case's work as plainly and as fast as it can be done with
// acmez's step-wise client.
type floor struct {
	floorOrder
	client  *acme.Client
	account acme.Account
	pending []*pending
	last    *pending // whose values were added last
}

// pending is one certificate on its way.
type pending struct {
	certificate
	order      acme.Order
	challenges []acme.Challenge
	values     []string
	csr        []byte
}

func runFloor(ctx context.Context, o floorOrder) (t floorTimes, err error) {
	f := &floor{floorOrder: o}
	for _, c := range o.Case.certificates() {
		f.pending = append(f.pending, &pending{certificate: c})
	}
	for _, phase := range []struct {
		took *time.Duration
		do   func(context.Context) error
	}{
		{&t.Account, f.register},
		{&t.Orders, func(ctx context.Context) error { return f.all(ctx, spread, f.begin) }},
		{&t.Adding, f.add},
		{&t.Wait, f.propagate},
		{&t.Finish, func(ctx context.Context) error { return f.all(ctx, spread, f.finish) }},
	} {
		began := time.Now()
		if err := phase.do(ctx); err != nil {
			return t, err
		}
		*phase.took = time.Since(began)
	}
	return t, nil
}

// all does one phase of every certificate by the workers, which begin spread
// over a time.
func (f *floor) all(ctx context.Context, over time.Duration, do func(context.Context, *pending) error) error {
	todo := make(chan *pending, len(f.pending))
	for _, p := range f.pending {
		todo <- p
	}
	close(todo)
	g, ctx := errgroup.WithContext(ctx)
	for i := range workers {
		g.Go(func() error {
			if err := sleep(ctx, over*time.Duration(i)/workers); err != nil {
				return err
			}
			for p := range todo {
				if err := do(ctx, p); err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func (f *floor) register(ctx context.Context) error {
	pemData, err := os.ReadFile(f.World.CAFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pemData) {
		return fmt.Errorf("%s: no certificate", f.World.CAFile)
	}
	f.client = &acme.Client{
		Directory: f.World.Directory, UserAgent: "certform-bench",
		HTTPClient: &http.Client{Transport: lean{f.World.Directory, &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: workers,
		}}},
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	f.account, err = f.client.NewAccount(ctx, acme.Account{PrivateKey: key, TermsOfServiceAgreed: true})
	return err
}

// lean hides the other chains of a certificate and that the CA tells renewal
// windows: acmez would fetch all of them.
type lean struct {
	directory string
	next      http.RoundTripper
}

func (l lean) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Header.Del("Link")
	if req.URL.String() != l.directory {
		return resp, nil
	}
	defer resp.Body.Close()
	var dir map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&dir); err != nil {
		return nil, fmt.Errorf("read the directory: %w", err)
	}
	delete(dir, "renewalInfo")
	body, err := json.Marshal(dir)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

// begin makes the order and learns what its challenges want.
func (f *floor) begin(ctx context.Context, p *pending) error {
	var want acme.Order
	for _, n := range p.names() {
		want.Identifiers = append(want.Identifiers, acme.Identifier{Type: "dns", Value: n})
	}
	var err error
	if p.order, err = f.client.NewOrder(ctx, f.account, want); err != nil {
		return err
	}
	for _, url := range p.order.Authorizations {
		z, err := f.client.GetAuthorization(ctx, f.account, url)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(z.Challenges, func(c acme.Challenge) bool { return c.Type == acme.ChallengeTypeDNS01 })
		if i < 0 {
			return errors.New("the CA does not offer dns-01")
		}
		p.challenges = append(p.challenges, z.Challenges[i])
		p.values = append(p.values, z.Challenges[i].DNS01KeyAuthorization())
	}
	return nil
}

// finish proves, finalizes, downloads and writes.
func (f *floor) finish(ctx context.Context, p *pending) error {
	for _, ch := range p.challenges {
		if _, err := f.client.InitiateChallenge(ctx, f.account, ch); err != nil {
			return err
		}
	}
	for p.order.Status == acme.StatusPending {
		var err error
		if p.order, err = f.client.GetOrder(ctx, f.account, p.order); err != nil {
			return err
		}
	}
	if p.order.Status != acme.StatusReady {
		return fmt.Errorf("the order is %s", p.order.Status)
	}
	var err error
	if p.order, err = f.client.FinalizeOrder(ctx, f.account, p.order, p.csr); err != nil {
		return err
	}
	chains, err := f.client.GetCertificateChain(ctx, f.account, p.order.Certificate)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.Dir, p.name, "fullchain.pem"), chains[0].ChainPEM, 0o644)
}

// prepare makes the key, its file and the request while there is nothing else
// to do.
func (f *floor) prepare(_ context.Context, p *pending) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	if p.csr, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: p.names()}, key); err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(f.Dir, p.name), 0o755); err != nil {
		return err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return os.WriteFile(filepath.Join(f.Dir, p.name, "privkey.pem"), private, 0o600)
}
