package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/config"
	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/seal/age"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/local"
	doors "github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/webhook"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/file"
	"golang.org/x/sync/errgroup"
)

// fleetOrder is what the process is told that makes a fleet which is as it
// should be: state, keys, bundles and files as an apply would have left them.
type fleetOrder struct {
	Certificates int    `json:"certificates"`
	Dir          string `json:"dir"`
}

// nowhere is where a fleet's CA and DNS host are: whoever asks them is refused
// at once.
const nowhere = "http://127.0.0.1:1"

func makeFleet(ctx context.Context, o fleetOrder) error {
	c := Case{Certificates: o.Certificates, Zones: 1}
	here := addresses{Directory: nowhere + "/directory", CAFile: filepath.Join(o.Dir, "ca.pem"), Hook: nowhere, Nameserver: "127.0.0.1:1", Resolver: "127.0.0.1:1"}
	if err := configure(c, here, o.Dir); err != nil {
		return err
	}
	cfg, diags := config.Load(config.Options{Dir: o.Dir, Sinks: []sinks.Kind{file.Kind()}, Providers: []providers.Kind{webhook.Kind()}})
	if diags.HasErrors() {
		return diags
	}
	store, err := local.Open(ctx, cfg.Settings.State.Spec.(*config.Local).Path, local.Options{})
	if err != nil {
		return err
	}
	keeper, err := age.Create(cfg.Settings.Seal.Spec.(*config.Age).Identity)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	if _, err := state.EnsureMeta(ctx, store, keeper.Public()); err != nil {
		return errors.Join(err, store.Close())
	}
	f := &fleet{store: store, seal: keeper, world: &doors.World{}, now: time.Now().Truncate(time.Second)}
	if err := f.root(here.CAFile); err != nil {
		return errors.Join(err, store.Close())
	}
	g, ctx := errgroup.WithContext(ctx)
	// The store commits together what waits together.
	g.SetLimit(256)
	for _, want := range cfg.Certificates {
		g.Go(func() error { return f.add(ctx, want) })
	}
	return errors.Join(g.Wait(), store.Close())
}

type fleet struct {
	store state.Store
	seal  seal.Seal
	world *doors.World
	now   time.Time
	ca    *x509.Certificate
	key   *ecdsa.PrivateKey
}

func (f *fleet) root(path string) (err error) {
	if f.key, err = newKey(); err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench root"},
		NotBefore: f.now.AddDate(-1, 0, 0), NotAfter: f.now.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &f.key.PublicKey, f.key)
	if err != nil {
		return err
	}
	if f.ca, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return os.WriteFile(path, cert.Chain{f.ca}.PEM(), 0o644)
}

// add gives one certificate its bundle, its files and its record.
func (f *fleet) add(ctx context.Context, want config.Certificate) error {
	b, err := f.issue(want)
	if err != nil {
		return err
	}
	if err := errors.Join(seal.PutKey(ctx, f.store, f.seal, b.Key()), state.PutBundle(ctx, f.store, b.Chain)); err != nil {
		return err
	}
	leaf := b.Chain.Leaf()
	names := cert.Values(want.Names)
	slices.Sort(names)
	rec := &state.Record{Address: want.Address, Places: map[string]*state.Place{}, Updated: f.now}
	rec.Advance(state.Bundle{
		Leaf: b.Leaf(), Chain: b.Chain.Fingerprint(), SPKI: b.Key().SPKI(), Names: names, KeyType: want.KeyType,
		Issuer: want.Issuers[0], Account: nowhere + "/directory",
		NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), Serial: leaf.SerialNumber.Text(16),
	})
	rec.Renewal = &state.Renewal{Leaf: b.Leaf(), Start: f.now.AddDate(0, 0, 58), End: f.now.AddDate(0, 0, 60), Next: f.now.Add(6 * time.Hour)}
	for _, p := range want.Places {
		sink, err := p.Open(ctx, f.world)
		if err != nil {
			return err
		}
		held, err := sink.Put(ctx, b, sinks.Held{})
		if err != nil {
			return err
		}
		rec.Places[p.ID] = &state.Place{Ref: held.Ref, Rev: held.Rev, Leaf: b.Leaf(), Seq: 1}
	}
	data, err := rec.Encode()
	if err != nil {
		return err
	}
	_, err = f.store.Put(ctx, state.Entry{Key: state.RecordKey(want.Address), Data: data, Due: rec.Renewal.Next})
	return err
}

func (f *fleet) issue(want config.Certificate) (*cert.Bundle, error) {
	key, err := cert.GenerateKey(want.KeyType)
	if err != nil {
		return nil, err
	}
	serial := make([]byte, 16)
	rand.Read(serial)
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), DNSNames: cert.Values(want.Names),
		NotBefore: f.now.Add(-time.Hour), NotAfter: f.now.AddDate(0, 0, 90),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, f.ca, key.Signer().Public(), f.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return cert.NewBundle(cert.Chain{leaf, f.ca}, key)
}

// quietPlan runs `certform plan` on a fleet and sees that it finds nothing to
// do.
func quietPlan(ctx context.Context, binary string, o fleetOrder) (used, error) {
	var out, said bytes.Buffer
	cmd := certform(ctx, binary, o.Dir, "plan", "-json", "-detailed-exitcode")
	cmd.Stdout, cmd.Stderr = &out, &said
	u, err := run(cmd)
	if err != nil {
		return u, fmt.Errorf("certform plan: %w\n%s", err, bytes.TrimSpace(said.Bytes()))
	}
	for line := range strings.Lines(out.String()) {
		var p struct {
			Type      string `json:"type"`
			Unchanged int    `json:"unchanged"`
		}
		if json.Unmarshal([]byte(line), &p) == nil && p.Type == "plan" {
			if p.Unchanged != o.Certificates {
				return u, fmt.Errorf("certform plan: %d of %d certificates are unchanged", p.Unchanged, o.Certificates)
			}
			return u, nil
		}
	}
	return u, errors.New("certform plan: it printed no plan")
}
