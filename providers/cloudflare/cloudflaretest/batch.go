package cloudflaretest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cloudflare/cloudflare-go/v6/dns"
)

// input is a record as it is given.
type input struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Content string   `json:"content"`
	TTL     float64  `json:"ttl"`
	Comment string   `json:"comment"`
	Proxied bool     `json:"proxied"`
	Tags    []string `json:"tags"`
}

// batch makes deletes, then posts, in one transaction.
func (s *Server) batch(zoneID string, r *http.Request) (any, error) {
	z := s.zone(zoneID)
	if z == nil {
		return nil, &fault{404, 7003, "Could not route to the zone, perhaps your object identifier is invalid?"}
	}
	var body struct {
		Deletes []struct {
			ID string `json:"id"`
		} `json:"deletes"`
		Posts []input `json:"posts"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return s.refuse(&fault{400, 9207, "Request body is invalid: " + err.Error()})
	}
	most := s.config.MaxBatch
	if most == 0 {
		most = 200
		if z.plan != "" && z.plan != "free" {
			most = 3500
		}
	}
	size := len(body.Deletes) + len(body.Posts)
	if size == 0 || size > most {
		return s.refuse(&fault{400, 9300, fmt.Sprintf("A batch has between 1 and %d operations, not %d", most, size)})
	}
	records := slices.Clone(z.records)
	var gone, made []*dns.RecordResponse
	for _, del := range body.Deletes {
		i := slices.IndexFunc(records, func(r *dns.RecordResponse) bool { return r.ID == del.ID })
		if i < 0 {
			return s.refuse(&fault{404, 81044, "Record does not exist."})
		}
		gone = append(gone, records[i])
		records = slices.Delete(records, i, i+1)
	}
	for _, in := range body.Posts {
		if f := z.check(records, in); f != nil {
			return s.refuse(f)
		}
		one := s.record(in)
		records, made = append(records, one), append(made, one)
	}
	z.records = records
	z.publish(made, gone)
	s.stats.Largest = max(s.stats.Largest, size)
	out := dns.RecordBatchResponse{Patches: []dns.RecordResponse{}, Puts: []dns.RecordResponse{}}
	for _, r := range gone {
		out.Deletes = append(out.Deletes, *r)
	}
	for _, r := range made {
		out.Posts = append(out.Posts, *r)
	}
	return out, nil
}

func (s *Server) refuse(f *fault) (any, error) {
	s.stats.Refused++
	return nil, f
}

func (z *zone) check(records []*dns.RecordResponse, in input) *fault {
	name := strings.ToLower(in.Name)
	if name != z.name && !strings.HasSuffix(name, "."+z.name) {
		return &fault{400, 9005, "DNS name is not in the zone"}
	}
	if in.TTL != 1 && (in.TTL < 60 || in.TTL > 86400) {
		return &fault{400, 9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic."}
	}
	for _, r := range records {
		switch {
		case r.Name != name:
		case string(r.Type) == in.Type && text(r.Content) == text(in.Content):
			return &fault{400, 81058, "An identical record already exists."}
		case (r.Type == "CNAME") != (in.Type == "CNAME"):
			return &fault{400, 81054, "A CNAME record with that host already exists."}
		}
	}
	return nil
}
