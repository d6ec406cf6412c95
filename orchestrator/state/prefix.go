package state

import (
	"context"
	"iter"
	"strings"
)

// WithPrefix is s as one configuration sees it: its records and saved plans
// are its own, below prefix; keys, bundles, accounts, runners and zones are
// shared. Two configurations on one store use different prefixes; "" is one
// of them. Closing it closes s.
func WithPrefix(s Store, prefix string) Store { return prefixed{s, prefix} }

type prefixed struct {
	Store
	prefix string
}

// own are the key prefixes that belong to one configuration.
var own = []string{Certificates, Plans}

// inner is the stored key of key.
func (p prefixed) inner(key string) string {
	if p.prefix == "" {
		return key
	}
	for _, o := range own {
		if rest, ok := strings.CutPrefix(key, o); ok {
			return Key(o, p.prefix) + "/" + rest
		}
	}
	return key
}

// outer is the key of a stored one; ok is false if it is another
// configuration's.
func (p prefixed) outer(key string) (string, bool) {
	for _, o := range own {
		rest, ok := strings.CutPrefix(key, o)
		if !ok {
			continue
		}
		if p.prefix == "" {
			return key, !strings.Contains(rest, "/")
		}
		rest, ok = strings.CutPrefix(key, Key(o, p.prefix)+"/")
		return o + rest, ok
	}
	return key, true
}

func (p prefixed) Get(ctx context.Context, key string) (Entry, error) {
	e, err := p.Store.Get(ctx, p.inner(key))
	e.Key = key
	return e, err
}

func (p prefixed) Put(ctx context.Context, e Entry) (Revision, error) {
	e.Key = p.inner(e.Key)
	return p.Store.Put(ctx, e)
}

func (p prefixed) Delete(ctx context.Context, key string) error {
	return p.Store.Delete(ctx, p.inner(key))
}

func (p prefixed) List(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	q.Prefix = p.inner(q.Prefix)
	if q.After != "" {
		q.After = p.inner(q.After)
	}
	limit := q.Limit
	q.Limit = 0
	return func(yield func(Entry, error) bool) {
		n := 0
		for e, err := range p.Store.List(ctx, q) {
			if err != nil {
				yield(e, err)
				return
			}
			key, ok := p.outer(e.Key)
			if !ok {
				continue
			}
			e.Key = key
			if !yield(e, nil) {
				return
			}
			if n++; n == limit {
				return
			}
		}
	}
}
