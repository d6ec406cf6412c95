package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["scaleway"] = scalewayFake }

// scalewayFake is the domain API of Scaleway, v2beta1: TXT values come back in
// quotes, a page holds two records, and a TTL that is given must be right.
func scalewayFake() fake {
	h := &held{zone: "example.com"}
	type record struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Type string `json:"type"`
		Data string `json:"data"`
		TTL  int    `json:"ttl"`
	}
	answer := func(k kept) record {
		if k.Type == "TXT" {
			k.Val = strconv.Quote(k.Val)
		}
		return record{strconv.Itoa(k.ID), strings.TrimPrefix(k.Name, "@"), k.Type, k.Val, k.TTL}
	}
	const secret = "11111111-2222-4333-8444-555555555555"
	return h.fake(map[string]string{"secret_key": secret, "organization_id": "66666666-7777-4888-8999-aaaaaaaaaaaa"}, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case r.Host != "api.scaleway.com" || r.Header.Get("X-Auth-Token") != secret:
			refuse(w, http.StatusUnauthorized, "denied authentication")
		case strings.ReplaceAll(r.URL.Path, "com./", "com/") != "/domain/v2beta1/dns-zones/example.com/records":
			refuse(w, http.StatusNotFound, "resource is not found")
		case r.Method == "GET":
			found := []record{}
			for _, k := range h.all {
				a := answer(k)
				if (q.Get("name") == "" || q.Get("name") == a.Name) && (q.Get("type") == "" || q.Get("type") == "unknown" || q.Get("type") == a.Type) {
					found = append(found, a)
				}
			}
			page, _ := strconv.Atoi(q.Get("page"))
			from := 2 * (max(1, page) - 1)
			replyJSON(w, object{"total_count": len(found), "records": found[min(from, len(found)):min(from+2, len(found))]})
		case r.Method == "PATCH":
			var in struct {
				Changes []struct {
					Add    *struct{ Records []record }
					Delete *struct {
						ID       *string
						IDFields *struct {
							Name, Type string
							Data       *string
							TTL        *int
						} `json:"id_fields"`
					}
				}
			}
			json.NewDecoder(r.Body).Decode(&in)
			for _, c := range in.Changes {
				if c.Add != nil {
					for _, a := range c.Add.Records {
						if a.Name == "" {
							a.Name = "@"
						}
						h.add(a.Name, a.Type, unquoted(a.Data), a.TTL)
					}
				}
				if d := c.Delete; d != nil && h.drop(func(k kept) bool {
					a := answer(k)
					if d.ID != nil {
						return a.ID == *d.ID
					}
					f := d.IDFields
					return f.Name == a.Name && f.Type == a.Type && (f.Data == nil || unquoted(*f.Data) == k.Val) && (f.TTL == nil || *f.TTL == k.TTL)
				}) == 0 {
					refuse(w, http.StatusNotFound, "record is not found")
					return
				}
			}
			replyJSON(w, object{"records": []record{}})
		default:
			refuse(w, http.StatusMethodNotAllowed, "not allowed")
		}
	})
}
