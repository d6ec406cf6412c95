package route53

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/libdns/libdns"

	"github.com/certform/certform/providers"
)

type provider struct {
	api  *r53.Client
	spec *Spec

	mu    sync.Mutex
	zones map[string]string // hosted zone id by zone
}

// set is one set of TXT records; values are as the service has them, quoted.
type set struct {
	ttl    int64
	values []string
}

// What one ChangeBatch may hold (DNSLimitations in the Developer Guide).
const (
	mostElements = 1000
	mostChars    = 32000
)

// Change reads the sets concerned and replaces each as it was seen: the old one
// is deleted and the new one created in one batch. If the service then says
// that a set is not as it was seen, somebody else was there: the sets are read
// again, one by one, and the change is made on what they are now.
func (p *provider) Change(ctx context.Context, zone string, add, del []libdns.RR) error {
	id, err := p.zoneID(ctx, zone)
	if err != nil {
		return err
	}
	edits := providers.Edits(zone, add, del)
	w := &writer{p: p, id: id, removal: len(add) == 0}
	var refused *types.InvalidChangeBatch
	var before map[string]set
	for try := range 4 {
		old, err := p.read(ctx, id, providers.Names(edits), try > 0)
		if err != nil {
			return err
		}
		// Some imitations refuse that a set goes back to what it once was. A
		// service that compares would not say so of a set that did not change.
		w.upsert = refused != nil && same(before, old) && strings.Contains(words(refused), "but it already exists")
		before = old
		err = w.replace(ctx, edits, old)
		if !errors.As(err, &refused) {
			return err
		}
	}
	return errors.Join(fmt.Errorf("InvalidChangeBatch: %s", words(refused)), providers.ErrRefused)
}

func words(e *types.InvalidChangeBatch) string {
	return strings.TrimSpace(strings.Join(e.Messages, "; ") + " " + aws.ToString(e.Message))
}

func same(a, b map[string]set) bool {
	return maps.EqualFunc(a, b, func(x, y set) bool { return x.ttl == y.ttl && slices.Equal(x.values, y.values) })
}

// writer makes one Change.
type writer struct {
	p       *provider
	id      string
	removal bool // nothing is added
	upsert  bool // replace a set without naming the old one
}

// part is one ChangeBatch.
type part struct {
	changes         []types.Change
	elements, chars int
}

// replace makes the change in as few batches as the limits allow.
func (w *writer) replace(ctx context.Context, edits []providers.Edit, sets map[string]set) error {
	now := &part{}
	for _, e := range edits {
		old := sets[e.Name]
		next := merge(old, e)
		if slices.Equal(old.values, next.values) {
			continue
		}
		elements := len(old.values) + 2*len(next.values) // an UPSERT counts twice
		chars := len(strings.Join(old.values, "")) + 2*len(strings.Join(next.values, ""))
		if !w.upsert {
			elements -= len(next.values)
			chars -= len(strings.Join(next.values, ""))
		}
		if len(now.changes) > 0 && (now.elements+elements > mostElements || now.chars+chars > mostChars) {
			if err := w.send(ctx, now); err != nil {
				return err
			}
			now = &part{}
		}
		create := types.ChangeActionCreate
		if w.upsert {
			create = types.ChangeActionUpsert
		}
		if len(old.values) > 0 && (!w.upsert || len(next.values) == 0) {
			now.changes = append(now.changes, old.change(types.ChangeActionDelete, e.Name))
		}
		if len(next.values) > 0 {
			now.changes = append(now.changes, next.change(create, e.Name))
		}
		now.elements += elements
		now.chars += chars
	}
	if len(now.changes) == 0 {
		return nil
	}
	return w.send(ctx, now)
}

// merge is a set with its additions and without its removals.
func merge(old set, e providers.Edit) set {
	next := set{ttl: old.ttl, values: slices.Clone(old.values)}
	for _, rr := range e.Del {
		next.values = slices.DeleteFunc(next.values, func(v string) bool { return unquoted(v) == rr.Data })
	}
	for _, rr := range e.Add {
		if slices.ContainsFunc(next.values, func(v string) bool { return unquoted(v) == rr.Data }) {
			continue
		}
		next.values = append(next.values, quoted(rr.Data))
		if next.ttl == 0 {
			next.ttl = int64(rr.TTL / time.Second)
		}
	}
	return next
}

func (s set) change(action types.ChangeAction, name string) types.Change {
	rs := &types.ResourceRecordSet{Name: aws.String(name), Type: types.RRTypeTxt, TTL: aws.Int64(s.ttl)}
	for _, v := range s.values {
		rs.ResourceRecords = append(rs.ResourceRecords, types.ResourceRecord{Value: aws.String(v)})
	}
	return types.Change{Action: action, ResourceRecordSet: rs}
}

func (w *writer) send(ctx context.Context, b *part) error {
	if err := providers.Pace(ctx); err != nil {
		return err
	}
	out, err := w.p.api.ChangeResourceRecordSets(ctx, &r53.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String(w.id), ChangeBatch: &types.ChangeBatch{Changes: b.changes},
	})
	if err != nil {
		var refused *types.InvalidChangeBatch
		if errors.As(err, &refused) {
			return err
		}
		return fmt.Errorf("change records: %w", told(err, "route53:ChangeResourceRecordSets"))
	}
	if w.p.spec.WaitForSync && !(w.removal && w.p.spec.SkipSyncDelete) && out.ChangeInfo != nil {
		w.p.insync(ctx, out.ChangeInfo)
	}
	return nil
}

// insync waits until the service says that its servers have the change. That is
// a hint and no more: the change is made, and the servers themselves are asked
// afterwards, so whoever may not ask here, or waits too long, has lost nothing.
func (p *provider) insync(ctx context.Context, change *types.ChangeInfo) {
	ctx, cancel := context.WithTimeout(ctx, max(p.spec.MaxWait, time.Second))
	defer cancel()
	for change.Status != types.ChangeStatusInsync {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
		if providers.Pace(ctx) != nil {
			return
		}
		out, err := p.api.GetChange(ctx, &r53.GetChangeInput{Id: change.Id})
		if err != nil || out.ChangeInfo == nil {
			return
		}
		change = out.ChangeInfo
	}
}

// AppendRecords is libdns's own way; the broker uses Change.
func (p *provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.AppendBy(ctx, p, zone, recs)
}

// DeleteRecords is libdns's own way; the broker uses Change.
func (p *provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.DeleteBy(ctx, p, zone, recs)
}
