package catalogue

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// held is the records of a fake host, each with an id of its own, in the order
// in which they came. Its fake's handler holds mu.
type held struct {
	zone string
	mu   sync.Mutex
	all  []kept
	last int
}

type kept struct {
	ID              int
	Name, Type, Val string // Name is relative, "@" for the zone itself
	TTL             int
}

func (h *held) add(name, typ, val string, ttl int) kept {
	h.last++
	k := kept{h.last, name, typ, val, ttl}
	h.all = append(h.all, k)
	return k
}

// drop removes the records that match and returns how many did.
func (h *held) drop(match func(kept) bool) int {
	before := len(h.all)
	h.all = slices.DeleteFunc(h.all, match)
	return before - len(h.all)
}

func (h *held) relative(name string) string {
	if name == h.zone {
		return "@"
	}
	return strings.TrimSuffix(name, "."+h.zone)
}

func (h *held) full(rel string) string {
	if rel == "@" || rel == "" {
		return h.zone
	}
	return rel + "." + h.zone
}

// fake is a fake whose API is serve; it already holds a record of another type.
func (h *held) fake(args map[string]string, serve http.HandlerFunc) fake {
	h.add("www", "A", "192.0.2.1", 3600)
	return fake{
		zone: h.zone, args: args,
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.mu.Lock()
			defer h.mu.Unlock()
			serve(w, r)
		}),
		txt: func(name string) (out []string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			for _, k := range h.all {
				if k.Type == "TXT" && k.Name == h.relative(name) {
					out = append(out, k.Val)
				}
			}
			return out
		},
		foreign: func(name, value string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.add(h.relative(name), "TXT", value, 7200)
		},
	}
}

func replyJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// refuse answers as JSON APIs do.
func refuse(w http.ResponseWriter, code int, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]any{"status": code, "status_description": fmt.Sprintf(format, args...), "message": fmt.Sprintf(format, args...)})
}

type object = map[string]any
