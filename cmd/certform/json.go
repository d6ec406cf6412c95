package main

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
	"github.com/hashicorp/hcl/v2"
)

// line is one object of the JSON stream: one event, one a line. Its fields
// are the stable interface for programs; new ones may be added.
type line struct {
	Type        string     `json:"type"`                   // what happened
	Time        time.Time  `json:"@timestamp"`             // when
	Level       string     `json:"@level"`                 // error, warn or info
	Message     string     `json:"@message"`               // the same in words
	Certificate string     `json:"certificate,omitempty"`  // address of the certificate
	Place       string     `json:"place,omitempty"`        // the place or endpoint that it is about
	Issuer      string     `json:"issuer,omitempty"`       // address of the issuer
	Provider    string     `json:"provider,omitempty"`     // address of the dns block
	Zone        string     `json:"zone,omitempty"`         // the DNS zone
	Note        string     `json:"note,omitempty"`         // more, in words: why, which, what for
	N           int        `json:"n,omitempty"`            // how many
	Seconds     float64    `json:"took_seconds,omitempty"` // how long it took
	Until       *time.Time `json:"until,omitempty"`        // until when is waited, or when it is tried again
	Leaf        string     `json:"leaf_sha256,omitempty"`  // SHA-256 of the leaf
	NotAfter    *time.Time `json:"not_after,omitempty"`    // when the certificate ends
	Error       string     `json:"error,omitempty"`        // what went wrong
	Advice      []string   `json:"advice,omitempty"`       // what may help
}

func level(k event.Kind) string { return strings.ToLower(k.Level().String()) }

// jsonListener writes each event as one line.
func jsonListener(w io.Writer) event.Listener {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return func(e event.Event) {
		l := line{
			Type: string(e.Kind), Time: e.Time.UTC(), Level: level(e.Kind), Message: e.Words(time.UTC),
			Certificate: e.Certificate, Place: e.Place, Issuer: e.Issuer, Provider: e.Provider, Zone: e.Zone,
			Note: e.Note, N: e.N, Seconds: e.Took.Seconds(), Leaf: e.Leaf,
		}
		if !e.Until.IsZero() {
			l.Until = &e.Until
		}
		if !e.NotAfter.IsZero() {
			l.NotAfter = &e.NotAfter
		}
		if e.Err != nil {
			l.Error, l.Advice = e.Err.Error(), world.Advice(e.Err)
		}
		// A broken pipe must not stop an apply.
		_ = enc.Encode(l)
	}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func writeJSONError(w io.Writer, err error) {
	_ = writeJSON(w, line{Type: "error", Time: time.Now().UTC(), Level: "error", Message: err.Error(), Error: err.Error(), Advice: world.Advice(err)})
}

func writeJSONDiagnostic(w io.Writer, d *hcl.Diagnostic) {
	type pos struct {
		Line   int `json:"line"`
		Column int `json:"column"`
	}
	out := struct {
		Type     string `json:"type"`
		Severity string `json:"severity"`
		Summary  string `json:"summary"`
		Detail   string `json:"detail,omitempty"`
		File     string `json:"filename,omitempty"`
		Start    *pos   `json:"start,omitempty"`
		End      *pos   `json:"end,omitempty"`
	}{Type: "diagnostic", Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if r := d.Subject; r != nil {
		out.File = relative(r.Filename)
		out.Start, out.End = &pos{r.Start.Line, r.Start.Column}, &pos{r.End.Line, r.End.Column}
	}
	_ = writeJSON(w, out)
}
