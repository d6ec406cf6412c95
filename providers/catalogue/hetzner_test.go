package catalogue

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/libdns/libdns"
)

func init() { fakes["hetzner"] = hetznerFake }

// hetznerFake holds sets that have one TTL: an addition with another is refused.
// Values are in quotes, and what is done is an action.
func hetznerFake() fake {
	h := &held{zone: "example.com"}
	type body struct {
		TTL     *int
		Records []struct{ Value string }
	}
	fails := func(w http.ResponseWriter, code int, word, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		json.NewEncoder(w).Encode(object{"error": object{"code": word, "message": text}})
	}
	done := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(object{"action": object{"id": 1, "status": "success", "command": "change", "progress": 100}})
	}
	set := func(name, typ string) object {
		s := object{"id": name + "/" + typ, "name": name, "type": typ, "zone": 42, "labels": object{}, "protection": object{"change": false}}
		var values []object
		for _, k := range h.all {
			if k.Name == name && k.Type == typ {
				s["ttl"] = k.TTL
				v := k.Val
				if typ == "TXT" {
					v = `"` + v + `"`
				}
				values = append(values, object{"value": v})
			}
		}
		s["records"] = values
		if values == nil {
			return nil
		}
		return s
	}
	m := http.NewServeMux()
	zone := object{"id": 42, "name": h.zone, "ttl": 86400, "mode": "primary", "status": "ok"}
	for _, id := range []string{"example.com", "42"} {
		m.HandleFunc("GET /v1/zones/"+id, func(w http.ResponseWriter, r *http.Request) { replyJSON(w, object{"zone": zone}) })
		m.HandleFunc("GET /v1/zones/"+id+"/rrsets", func(w http.ResponseWriter, r *http.Request) {
			all := []object{}
			seen := map[string]bool{}
			for _, k := range h.all {
				if !seen[k.Name+k.Type] {
					all = append(all, set(k.Name, k.Type))
				}
				seen[k.Name+k.Type] = true
			}
			replyJSON(w, object{"rrsets": all, "meta": object{"pagination": object{"page": 1, "per_page": 50, "last_page": 1, "total_entries": len(all)}}})
		})
		one := "/v1/zones/" + id + "/rrsets/{name}/{type}"
		m.HandleFunc("GET "+one, func(w http.ResponseWriter, r *http.Request) {
			s := set(r.PathValue("name"), r.PathValue("type"))
			if s == nil {
				fails(w, http.StatusNotFound, "not_found", "rrset not found")
				return
			}
			replyJSON(w, object{"rrset": s})
		})
		m.HandleFunc("POST "+one+"/actions/add_records", func(w http.ResponseWriter, r *http.Request) {
			var in body
			json.NewDecoder(r.Body).Decode(&in)
			ttl := 86400
			if s := set(r.PathValue("name"), r.PathValue("type")); s != nil {
				if ttl = s["ttl"].(int); in.TTL != nil && *in.TTL != ttl {
					fails(w, http.StatusUnprocessableEntity, "invalid_input", "ttl does not match")
					return
				}
			} else if in.TTL != nil {
				ttl = *in.TTL
			}
			for _, v := range in.Records {
				if !strings.HasPrefix(v.Value, `"`) {
					fails(w, http.StatusUnprocessableEntity, "invalid_input", "TXT values are quoted")
					return
				}
				h.add(r.PathValue("name"), r.PathValue("type"), strings.Trim(v.Value, `"`), ttl)
			}
			done(w)
		})
		m.HandleFunc("POST "+one+"/actions/remove_records", func(w http.ResponseWriter, r *http.Request) {
			var in body
			json.NewDecoder(r.Body).Decode(&in)
			n := h.drop(func(k kept) bool {
				return k.Name == r.PathValue("name") && k.Type == r.PathValue("type") && `"`+k.Val+`"` == in.Records[0].Value
			})
			if n == 0 {
				fails(w, http.StatusUnprocessableEntity, "invalid_input", "no such record")
				return
			}
			done(w)
		})
	}
	return h.fake(map[string]string{"api_token": "canary-token"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "api.hetzner.cloud" || r.Header.Get("Authorization") != "Bearer canary-token" {
			fails(w, http.StatusUnauthorized, "unauthorized", "unable to authenticate")
			return
		}
		m.ServeHTTP(w, r)
	})
}

// What the row says of zones with an underscore holds.
func TestHetznerZone(t *testing.T) {
	redirect(t, http.NotFoundHandler())
	p := &hetznerJoining{}
	p.APIToken = "canary-token"
	_, err := p.DeleteRecords(t.Context(), "_acme-challenge.example.com.", []libdns.Record{libdns.TXT{Name: "@", Text: "x"}})
	if err == nil || !strings.Contains(err.Error(), "idna") {
		t.Errorf("error %v", err)
	}
}
