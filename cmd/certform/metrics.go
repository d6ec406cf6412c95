package main

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/daemon"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is what `run` tells Prometheus: mostly gauges of what was last seen
// of each certificate, so that an alert needs no memory.
type metrics struct {
	registry *prometheus.Registry

	events      *prometheus.CounterVec
	notAfter    *prometheus.GaugeVec // what is live
	served      *prometheus.GaugeVec // what an endpoint serves
	serving     *prometheus.GaugeVec // whether it is what is wanted
	success     *prometheus.GaugeVec
	looked      *prometheus.GaugeVec
	owed        *prometheus.GaugeVec
	tries       *prometheus.GaugeVec
	canary      *prometheus.GaugeVec // whether the last canary of a zone lived
	canaryLived *prometheus.GaugeVec
	certs       prometheus.Gauge
	lastReload  prometheus.Gauge
	reloadWell  prometheus.Gauge
	mu          sync.Mutex
	lastLook    time.Time
	certificate map[string]bool
	owing       map[string]bool // what has values in DNS, configured or not
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), certificate: map[string]bool{}, owing: map[string]bool{}}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "certform_" + name, Help: help}, labels)
		m.registry.MustRegister(g)
		return g
	}
	single := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "certform_" + name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	m.events = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "certform_events_total", Help: "What happened, by kind of event."}, []string{"kind"})
	m.registry.MustRegister(m.events, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.notAfter = gauge("not_after_seconds", "When the live certificate ends, Unix time.", "certificate")
	m.served = gauge("endpoint_not_after_seconds", "When the certificate ends that an address of an endpoint serves, Unix time.", "certificate", "endpoint", "address")
	m.serving = gauge("endpoint_serving", "1 if every address of the endpoint serves the live certificate.", "certificate", "endpoint")
	m.success = gauge("last_success_seconds", "When the certificate was last found at rest or brought there, Unix time.", "certificate")
	m.looked = gauge("last_look_seconds", "When the certificate was last looked at, Unix time.", "certificate")
	m.owed = gauge("owed_values", "TXT values that may still be in DNS, also of certificates that left the configuration.", "certificate")
	m.tries = gauge("tries", "Failures since the last success: of the issuer, or of a place.", "certificate", "of")
	m.canary = gauge("canary_alive", "1 if the last canary of the zone was added, seen and removed.", "provider", "zone")
	m.canaryLived = gauge("canary_last_success_seconds", "When a canary of the zone last was, Unix time.", "provider", "zone")
	m.certs = single("certificates", "Certificates in the configuration.")
	m.lastReload = single("config_last_reload_seconds", "When the configuration was last taken, Unix time.")
	m.reloadWell = single("config_last_reload_successful", "1 if the last reload was taken.")
	for _, k := range event.Kinds {
		m.events.WithLabelValues(string(k))
	}
	return m
}

// Listen counts events.
func (m *metrics) Listen(e event.Event) {
	m.events.WithLabelValues(string(e.Kind)).Inc()
	switch e.Kind {
	case event.Checked:
		m.canary.WithLabelValues(e.Provider, e.Zone).Set(1)
		m.canaryLived.WithLabelValues(e.Provider, e.Zone).Set(float64(e.Time.Unix()))
	case event.Ailing:
		m.canary.WithLabelValues(e.Provider, e.Zone).Set(0)
	}
}

// configured notes which certificates are wanted and forgets the others, but
// not what they owe.
func (m *metrics) configured(wants []plan.Want) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := map[string]bool{}
	for _, w := range wants {
		now[w.Address] = true
	}
	for address := range m.certificate {
		if now[address] {
			continue
		}
		gone := prometheus.Labels{"certificate": address}
		for _, g := range []*prometheus.GaugeVec{m.notAfter, m.served, m.serving, m.success, m.looked, m.tries} {
			g.DeletePartialMatch(gone)
		}
		if !m.owing[address] {
			m.owed.DeletePartialMatch(gone)
		}
	}
	m.certificate = now
	m.certs.Set(float64(len(wants)))
	m.lastReload.SetToCurrentTime()
	m.reloadWell.Set(1)
}

func (m *metrics) reloaded(well bool) {
	if !well {
		m.reloadWell.Set(0)
	}
}

// Looked notes what was seen and done of one certificate.
func (m *metrics) Looked(l daemon.Look) {
	m.mu.Lock()
	defer m.mu.Unlock()
	address := l.Outcome.Address
	m.lastLook = l.At
	m.owes(address, l.Record)
	if !m.certificate[address] {
		return
	}
	m.looked.WithLabelValues(address).Set(float64(l.At.Unix()))
	if l.Outcome.Status == apply.Done && !leaves(l.Item) {
		m.success.WithLabelValues(address).SetToCurrentTime()
	}
	mine := prometheus.Labels{"certificate": address}
	m.tries.DeletePartialMatch(mine)
	if l.Record != nil {
		for issuer, t := range l.Record.Issuing {
			m.tries.WithLabelValues(address, issuer).Set(float64(t.N))
		}
		for id, p := range l.Record.Places {
			if p.Tries != nil {
				m.tries.WithLabelValues(address, id).Set(float64(p.Tries.N))
			}
		}
		if l.Record.Live != nil {
			m.notAfter.WithLabelValues(address).Set(float64(l.Record.Live.NotAfter.Unix()))
		}
	}
	m.served.DeletePartialMatch(mine)
	for id, s := range l.Seen.Endpoints {
		ok := 0.0
		if l.Record != nil && l.Record.Target() != nil {
			if serves, _ := s.Serves(l.Record.Target().Leaf); serves {
				ok = 1
			}
		}
		m.serving.WithLabelValues(address, id).Set(ok)
		for _, a := range s.Addresses {
			if a.Leaf != "" {
				m.served.WithLabelValues(address, id, a.Address).Set(float64(a.NotAfter.Unix()))
			}
		}
	}
}

// owes notes the values of one record, 0 for a certificate that is configured.
func (m *metrics) owes(address string, rec *state.Record) {
	n := 0
	if rec != nil {
		n = len(rec.Owed)
	}
	m.owing[address] = n > 0
	switch {
	case n > 0, rec != nil && m.certificate[address]:
		m.owed.WithLabelValues(address).Set(float64(n))
	default:
		delete(m.owing, address)
		m.owed.DeleteLabelValues(address)
	}
}

// leaves reports whether a turn that went well left something for later: what
// is paused after failures, what only people can decide, what cannot be.
func leaves(it *plan.Item) bool {
	return it != nil && (len(it.Errors) > 0 || slices.ContainsFunc(it.Steps, func(s plan.Step) bool { return s.WaitTill != "" || s.Kind == plan.Blocked }))
}

// Handler serves /metrics and /healthz.
func (m *metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
	})
	return mux
}
