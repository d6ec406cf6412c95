package main

import (
	"context"
	"fmt"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/spf13/cobra"
)

func verifyCommand(o *options) *cobra.Command {
	var patterns []string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Look at every endpoint now: does each address serve the live certificate?",
		Long:  "Look at every endpoint now, at every address that its name resolves to here. Exit 0 if all\nserve the live certificate, 3 if one does not. It writes nothing.",
		Args:  noArguments,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			s, err := o.look(c.Context(), cfg, o.progress())
			if err != nil {
				return err
			}
			defer s.Close()
			doc, err := s.verify(c.Context(), patterns)
			if err != nil {
				return err
			}
			if o.json {
				err = writeJSON(o.out, doc)
			} else {
				err = o.showVerify(doc)
			}
			if err == nil && doc.Bad > 0 {
				err = exit(exitFailed)
			}
			return err
		},
	}
	configFlags(c, o)
	c.Flags().StringArrayVar(&patterns, "target", nil, "only these certificates (an address; * stands for any text; may be repeated)")
	return c
}

// verifyDoc is what verify saw, for programs and for its own view.
type verifyDoc struct {
	Type         string       `json:"type"`
	Format       string       `json:"format_version"`
	Version      string       `json:"certform_version"`
	AsOf         time.Time    `json:"as_of"`
	Good         int          `json:"serving"`
	Bad          int          `json:"not_serving"`
	None         int          `json:"without_endpoint"` // certificates
	Certificates []verifyCert `json:"certificates"`
}

type verifyCert struct {
	Address   string           `json:"address"`
	Leaf      cert.Fingerprint `json:"leaf_sha256,omitempty"` // what should be served
	NotAfter  time.Time        `json:"not_after,omitzero"`
	Endpoints []endpointStatus `json:"endpoints"`
}

func (s *session) verify(ctx context.Context, patterns []string) (*verifyDoc, error) {
	if _, err := s.needStore(); err != nil {
		return nil, err
	}
	if err := checkTargets("target", patterns, s.wants); err != nil {
		return nil, err
	}
	records, err := s.survey.Records(ctx)
	if err != nil {
		return nil, err
	}
	wants := s.targeted(targets(patterns))
	doc := &verifyDoc{Type: "verify", Format: plan.FormatVersion, Version: version, AsOf: asOf(), Certificates: []verifyCert{}}
	seen := s.endpoints(ctx, wants, records)
	for _, w := range wants {
		st := statusOf(w, true, records[w.Address], seen[w.Address], nil, doc.AsOf)
		if len(st.Endpoints) == 0 {
			doc.None++
			continue
		}
		v := verifyCert{Address: w.Address, Endpoints: st.Endpoints}
		if rec := records[w.Address]; rec != nil && rec.Target() != nil {
			v.Leaf, v.NotAfter = rec.Target().Leaf, rec.Target().NotAfter
		}
		for _, e := range st.Endpoints {
			if e.Serves {
				doc.Good++
			} else {
				doc.Bad++
			}
		}
		doc.Certificates = append(doc.Certificates, v)
	}
	return doc, ctx.Err()
}

// showVerify prints what each address serves.
func (o *options) showVerify(doc *verifyDoc) error {
	v := &statusView{o: o, w: o.out, now: doc.AsOf}
	for _, c := range doc.Certificates {
		should := "nothing is issued yet"
		if c.Leaf != "" {
			should = fmt.Sprintf("should serve sha256 %s, until %s", c.Leaf.Short(), stamp(c.NotAfter))
		}
		v.line("%s   %s", v.paint(bold, c.Address), should)
		for _, e := range c.Endpoints {
			colour, mark := green, "✓"
			if !e.Serves {
				colour, mark = red, "✗"
			}
			v.line("  %s %s", v.paint(bold+colour, o.glyph(mark)), e.ID)
			for _, a := range e.Addresses {
				v.line("      %s", served(a, c.Leaf))
			}
			if len(e.Addresses) == 0 {
				v.line("      %s", e.Why)
			}
		}
	}
	if len(doc.Certificates) > 0 {
		v.line("")
	}
	all := doc.Good + doc.Bad
	switch {
	case all == 0:
		v.line("There is no endpoint to look at.")
	case doc.Bad == 0:
		v.line("%s %d of %d %s.", v.paint(bold+green, "Served:"), doc.Good, all, plural(all, "endpoint", "endpoints"))
	default:
		v.line("%s %d of %d %s.", v.paint(bold+red, "Not served:"), doc.Bad, all, plural(all, "endpoint", "endpoints"))
	}
	if doc.None > 0 {
		v.line("%d %s no endpoint.", doc.None, plural(doc.None, "certificate has", "certificates have"))
	}
	return v.err
}

// served says what one address serves.
func served(a plan.Address, leaf cert.Fingerprint) string {
	switch {
	case a.Unrouted:
		return a.Address + ": not counted, this machine has no route there"
	case a.Leaf == "":
		return a.Address + ": " + a.Err
	case a.Leaf != leaf:
		return a.Address + " serves " + cert.Another(a.Leaf, a.Names, a.Issuer, a.NotAfter)
	case a.Err != "":
		return a.Address + " serves it: " + a.Err
	}
	return a.Address + " serves it"
}
