package catalogue

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/libdns/libdns"
)

func init() { fakes["easydns"] = easydnsFake }

// easydnsFake is the REST API of easyDNS: numbers are strings, and a PUT adds.
func easydnsFake() fake { return easydnsOf(1000) }

// easydnsOf lists most records at most.
func easydnsOf(most int) fake {
	h := &held{zone: "example.com"}
	h.add("_acme-challenge", "NS", "ns.example.net", 3600)
	m := http.NewServeMux()
	m.HandleFunc("GET /zones/records/all/example.com", func(w http.ResponseWriter, r *http.Request) {
		all := []object{}
		for _, k := range h.all[:min(most, len(h.all))] {
			all = append(all, object{"id": strconv.Itoa(k.ID), "domain": h.zone, "host": k.Name, "ttl": strconv.Itoa(k.TTL), "prio": "0", "type": k.Type, "rdata": k.Val})
		}
		replyJSON(w, object{"tm": 1, "data": all, "count": len(all), "total": len(h.all), "start": 0, "max": most, "status": 200})
	})
	m.HandleFunc("PUT /zones/records/add/example.com/TXT", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Domain, Host, Type, Rdata string
			TTL                       int
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Domain != h.zone || in.Type != "TXT" || in.TTL < 300 {
			refuse(w, http.StatusBadRequest, "invalid")
			return
		}
		h.add(in.Host, in.Type, in.Rdata, in.TTL)
		w.WriteHeader(http.StatusCreated)
		replyJSON(w, object{"status": 201})
	})
	m.HandleFunc("DELETE /zones/records/example.com/{id}", func(w http.ResponseWriter, r *http.Request) {
		if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == r.PathValue("id") && k.Type == "TXT" }) == 0 {
			refuse(w, http.StatusNotFound, "no such record")
			return
		}
		replyJSON(w, object{"status": 200})
	})
	return h.fake(map[string]string{"api_token": "canary-token", "api_key": "canary-key", "api_url": "%URL%"}, func(w http.ResponseWriter, r *http.Request) {
		if token, key, _ := r.BasicAuth(); token != "canary-token" || key != "canary-key" {
			refuse(w, http.StatusForbidden, "access denied")
			return
		}
		m.ServeHTTP(w, r)
	})
}

// A part of a zone is not taken for the zone: what is not in it may be there.
func TestEasydnsPart(t *testing.T) {
	f := easydnsOf(2)
	f.foreign("_acme-challenge.example.com", first)
	base, _, _ := redirect(t, f.handler)
	p := &easydnsExact{}
	p.APIToken, p.APIKey, p.APIUrl = "canary-token", "canary-key", base
	if _, err := p.GetRecords(t.Context(), "example.com."); !errors.Is(err, errUnread) {
		t.Errorf("read: %v", err)
	}
	_, err := p.DeleteRecords(t.Context(), "example.com.", []libdns.Record{libdns.TXT{Name: "_acme-challenge", Text: first}})
	if err == nil || !strings.Contains(err.Error(), "only a part of the zone") {
		t.Errorf("remove: %v", err)
	}
}
