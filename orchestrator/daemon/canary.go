package daemon

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/plan"
)

// canaryEntry stands in the heap for the canaries of all zones.
const canaryEntry = plan.DoctorPrefix + "]"

// canaries lets one live in each zone of this runner's share, so that a
// credential that died is told of long before a renewal needs it. One that did
// not live is tried again after the pauses of any failure.
func (d *Daemon) canaries(ctx context.Context, t task) result {
	r := result{next: time.Now().Add(d.Canary)}
	e := t.fleet.Engine
	zones, provider := e.ZonesOf(ctx, t.fleet.Wants)
	for _, zone := range zones {
		mine, err := d.mine(ctx, apply.CanaryAddress(zone))
		if err == nil && mine {
			c := e.Sing(ctx, zone, provider[zone])
			if err = c.Err; c.Held {
				err = nil
				r.by(time.Now().Add(held))
			}
			d.tell(ctx, t, apply.CanaryAddress(zone))
		}
		if err != nil {
			r.err = errors.Join(r.err, err)
		}
	}
	r.err = errors.Join(r.err, d.buryCanaries(ctx, t, zones))
	r.fine = r.err == nil
	return r
}

// buryCanaries removes what was left in zones that are no longer in use. It is
// done here and not beside, so that one goroutine alone has these records.
func (d *Daemon) buryCanaries(ctx context.Context, t task, zones []string) error {
	records, err := t.fleet.Survey.Records(ctx)
	if err != nil {
		return err
	}
	for _, zone := range zones {
		delete(records, apply.CanaryAddress(zone))
	}
	var errs []error
	for address, rec := range records {
		if !strings.HasPrefix(address, plan.DoctorPrefix) || len(rec.Owed) == 0 {
			continue
		}
		mine, err := d.mine(ctx, address)
		if err == nil && mine {
			gone := task{want: plan.Want{Address: address}, forget: true, fleet: t.fleet}
			item, seen := d.decide(ctx, gone, rec, time.Now())
			if item != nil {
				err = t.fleet.Engine.One(ctx, apply.Job{Want: gone.want, Item: item, Seen: seen}).Err
			}
			d.tell(ctx, t, address)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// tell tells what the record of a canary is now.
func (d *Daemon) tell(ctx context.Context, t task, address string) {
	if d.Looked == nil {
		return
	}
	if rec, err := t.fleet.Survey.Record(ctx, address); err == nil {
		d.Looked(Look{At: time.Now(), Outcome: apply.Outcome{Address: address}, Record: rec})
	}
}
