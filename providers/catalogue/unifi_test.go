package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["unifi"] = unifiFake }

// unifiFake is the DNS policies of a UniFi controller. The second page of a
// list begins at 25, so other records come first.
func unifiFake() fake {
	h := &held{zone: "example.com"}
	for i := range 30 {
		h.add("h"+strconv.Itoa(i), "A", "192.0.2.1", 300)
	}
	type policy struct {
		ID          string `json:"id"`
		Type        string `json:"type"`
		Domain      string `json:"domain"`
		Text        string `json:"text,omitempty"`
		IPv4Address string `json:"ipv4Address,omitempty"`
	}
	answer := func(k kept) policy {
		a := policy{ID: strconv.Itoa(k.ID), Type: k.Type + "_RECORD", Domain: h.full(k.Name)}
		if k.Type == "TXT" {
			a.Text = k.Val
		} else {
			a.IPv4Address = k.Val
		}
		return a
	}
	return h.fake(map[string]string{"api_key": "canary-key", "site_id": "s1", "base_url": "%URL%/v1"}, func(w http.ResponseWriter, r *http.Request) {
		id, single := strings.CutPrefix(r.URL.Path, "/v1/sites/s1/dns/policies/")
		q := r.URL.Query()
		switch {
		case r.Header.Get("X-API-KEY") != "canary-key":
			refuse(w, http.StatusUnauthorized, "unauthorized")
		case r.URL.Path == "/v1/sites/s1/dns/policies" && r.Method == "GET":
			offset, _ := strconv.Atoi(q.Get("offset"))
			limit, _ := strconv.Atoi(q.Get("limit"))
			data := []policy{}
			if q.Get("filter") == "or(domain.eq('example.com'),domain.like('*example.com'))" {
				for _, k := range h.all[min(offset, len(h.all)):min(offset+limit, len(h.all))] {
					data = append(data, answer(k))
				}
			}
			replyJSON(w, object{"offset": offset, "limit": limit, "count": len(data), "totalCount": len(h.all), "data": data})
		case r.URL.Path == "/v1/sites/s1/dns/policies" && r.Method == "POST":
			var in policy
			json.NewDecoder(r.Body).Decode(&in)
			if in.Type != "TXT_RECORD" || !strings.HasSuffix(in.Domain, "example.com") {
				refuse(w, http.StatusBadRequest, "invalid domain")
				return
			}
			w.WriteHeader(http.StatusCreated)
			replyJSON(w, answer(h.add(h.relative(in.Domain), "TXT", in.Text, 0)))
		case single && r.Method == "DELETE":
			if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == id }) == 0 {
				refuse(w, http.StatusNotFound, "not found")
			}
		default:
			refuse(w, http.StatusNotFound, "not found")
		}
	})
}
