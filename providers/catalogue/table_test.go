package catalogue

import (
	"slices"
	"strings"
	"sync"
)

// table is the TXT records of a zone at a host that gives each an id.
type table struct {
	zone string
	mu   sync.Mutex
	last int
	all  []entry
}

type entry struct {
	id         int
	name, text string // name is relative, "" for the zone
}

func (h *table) add(name, text string) entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	h.all = append(h.all, entry{h.last, strings.TrimPrefix(name, "@"), text})
	return h.all[len(h.all)-1]
}

// remove reports whether there was such a record.
func (h *table) remove(id int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := len(h.all)
	h.all = slices.DeleteFunc(h.all, func(r entry) bool { return r.id == id })
	return len(h.all) < before
}

func (h *table) list() []entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.all)
}

func (h *table) relative(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, h.zone), ".")
}

// txt and foreign are those of fake.
func (h *table) txt(name string) (out []string) {
	for _, r := range h.list() {
		if r.name == h.relative(name) {
			out = append(out, r.text)
		}
	}
	return out
}

func (h *table) foreign(name, value string) { h.add(h.relative(name), value) }
