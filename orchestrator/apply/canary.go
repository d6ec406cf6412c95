package apply

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/providers"
)

// canaryLabel is below no name of a certificate: a canary meets no challenge.
const canaryLabel = "_acme-challenge.certform-doctor."

// CanaryAddress is the address of the record that owes the canary of a zone.
func CanaryAddress(zone string) string {
	return fmt.Sprintf("%s%q]", plan.DoctorPrefix, strings.TrimSuffix(zone, "."))
}

// Canary is what became of a canary.
type Canary struct {
	providers.Trial
	Removed time.Duration
	Held    bool // another runner has one there now
	Err     error
}

// ZonesOf is where the names of wants are proven, each zone once; names without
// one are left out. provider is the first that serves each.
func (e *Engine) ZonesOf(ctx context.Context, wants []plan.Want) (zones []string, provider map[string]string) {
	provider = map[string]string{}
	for _, w := range wants {
		for _, n := range w.Names {
			f, err := e.Zones.Find(ctx, n)
			if err == nil && f.Zone != "" && provider[f.Zone] == "" {
				provider[f.Zone] = f.Providers[0]
				zones = append(zones, f.Zone)
			}
		}
	}
	slices.Sort(zones)
	return zones, provider
}

// Canary adds a TXT value to a zone, waits until every server shows it, and
// removes it. It is owed in a record of its own before it is written: whoever
// dies here leaves what the next apply or run removes, like the values of a
// certificate that left the configuration.
func (e *Engine) Canary(ctx context.Context, zone, provider string) (out Canary) {
	zone = strings.TrimSuffix(zone, ".") + "."
	j, err := e.open(ctx, CanaryAddress(zone))
	if err == nil {
		err = j.mayClaim(ctx)
	}
	var held *heldError
	if out.Held = errors.As(err, &held); err != nil {
		out.Err = err
		return out
	}
	v := state.Value{Zone: zone, Name: canaryLabel + zone, Type: "TXT", Value: "certform-doctor-" + rand.Text(), Provider: provider, Since: time.Now().UTC().Truncate(time.Second)}
	j.rec.Owe(v)
	j.rec.Gone = v.Since
	if err := j.save(ctx); err != nil {
		out.Err, out.Held = err, errors.As(err, &held)
		return out
	}
	g, done, err := j.guard(ctx)
	if err != nil {
		out.Err = err
		return out
	}
	out.Trial, out.Err = e.Zones.Try(g, providerValue(v))
	done()
	if ctx.Err() != nil {
		// The record owes it.
		out.Err = errors.Join(out.Err, context.Cause(ctx))
		return out
	}
	began := time.Now()
	cleaned, err := e.cleaning(ctx, j, j.rec.Owed, event.Discard)
	if err != nil {
		out.Err = errors.Join(out.Err, err)
		return out
	}
	err = cleaned.wait(j.rec)
	out.Removed = time.Since(began)
	out.Err = errors.Join(out.Err, err, j.finish(ctx))
	return out
}

// Sing is Canary, said: checked or ailing.
func (e *Engine) Sing(ctx context.Context, zone, provider string) Canary {
	c := e.Canary(ctx, zone, provider)
	ev := event.Event{Kind: event.Checked, Provider: provider, Zone: strings.TrimSuffix(zone, "."), Err: c.Err, Took: c.Added + c.Seen + c.Removed,
		Note: fmt.Sprintf("a canary was added in %.1f s, seen at %d %s in %.1f s, removed in %.1f s",
			c.Added.Seconds(), c.Servers, plural(c.Servers, "server", "servers"), c.Seen.Seconds(), c.Removed.Seconds())}
	switch {
	case c.Held:
		ev.Kind, ev.Note = event.Skipped, "its canary"
	case c.Err != nil:
		ev.Kind, ev.Note = event.Ailing, "a canary did not live"
	}
	e.Say(ev)
	return c
}
