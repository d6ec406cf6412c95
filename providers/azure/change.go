package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/libdns/libdns"
	"golang.org/x/sync/errgroup"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

const (
	abreast   = 8  // requests of one change at a time
	mostTries = 10 // for a set that somebody else changes meanwhile
)

// Change replaces each set as it was last seen. If the service then says that
// a set is not as it was seen, somebody else was there: it is read and changed
// as it is now. What was not seen yet is taken for absent where something is
// added, and looked at where something is removed.
//
// After an error some sets may be changed and others not; none is half.
func (p *provider) Change(ctx context.Context, zone string, add, del []libdns.RR) error {
	id, err := p.zone(ctx, zone)
	if err != nil {
		return err
	}
	edits := providers.Edits(zone, add, del)
	old, unsure, err := p.guess(id, edits)
	if err != nil {
		return err
	}
	if len(unsure) > 0 {
		seen, err := p.read(ctx, id, unsure)
		if err != nil {
			return err
		}
		for _, n := range unsure {
			old[n] = seen[n]
		}
	}
	var failed atomic.Bool
	var g errgroup.Group
	g.SetLimit(abreast)
	for _, e := range edits {
		if failed.Load() {
			break
		}
		g.Go(func() error {
			err := p.change(ctx, id, e, old[e.Name])
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return p.gone(id, g.Wait())
}

// guess is the sets as they most probably are, and the names at which that is
// not enough.
func (p *provider) guess(id string, edits []providers.Edit) (old map[string]set, unsure []string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old = map[string]set{}
	for _, e := range edits {
		s, ok := p.known[id][e.Name]
		old[e.Name] = s
		next, err := merge(s, e)
		if err != nil {
			return nil, nil, err
		}
		if next.same(s) || !ok && len(e.Del) > 0 {
			unsure = append(unsure, e.Name)
		}
	}
	return old, unsure, nil
}

// change makes one edit of a set that is believed to be as in was.
func (p *provider) change(ctx context.Context, id string, e providers.Edit, was set) error {
	for try := 1; ; try++ {
		to, err := merge(was, e)
		if err != nil || to.same(was) {
			return err
		}
		err = p.write(ctx, id, e.Name, was, to)
		if err == nil || !changed(err) {
			return err
		}
		if try == mostTries {
			return world.Hint(err, "somebody else changes the same records all the time")
		}
		if was, err = p.get(ctx, id, e.Name); err != nil {
			return err
		}
	}
}

// changed reports whether the service refused to write because the set is not
// as we thought.
func changed(err error) bool {
	s := statusOf(err)
	return s != nil && s.Code == http.StatusPreconditionFailed
}

// write replaces one set. A set that is empty goes, unless somebody described
// it.
func (p *provider) write(ctx context.Context, id, name string, was, to set) error {
	path := path(id, name)
	condition := map[string]string{"If-Match": was.etag}
	if was.etag == "" {
		condition = map[string]string{"If-None-Match": "*"}
	}
	var err error
	if len(to.records) == 0 && !to.described() {
		err = p.do(ctx, "Microsoft.Network/dnsZones/TXT/delete", http.MethodDelete, path, condition, nil, nil)
		to = set{}
	} else {
		var in, out recordSet
		if in, err = to.sent(); err != nil {
			return err
		}
		err = p.do(ctx, "Microsoft.Network/dnsZones/TXT/write", http.MethodPut, path, condition, in, &out)
		if err == nil && out.Etag == "" {
			err = errors.New("the service accepted the set and gave no etag of it")
		}
		if err == nil {
			to, err = seen(out)
		}
	}
	if err != nil {
		p.keep(id, []string{name}, nil) // it may be written or not
		return fmt.Errorf("change %s: %w", name, err)
	}
	p.keep(id, []string{name}, map[string]set{name: to})
	return nil
}

// AppendRecords is libdns's own way; the broker uses Change.
func (p *provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.AppendBy(ctx, p, zone, recs)
}

// DeleteRecords is libdns's own way; the broker uses Change.
func (p *provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.DeleteBy(ctx, p, zone, recs)
}
