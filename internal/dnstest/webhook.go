package dnstest

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

type webRecord struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
	TTL   int    `json:"ttl"`
}

type webChange struct {
	Op string `json:"op"`
	webRecord
}

// Handler speaks the webhook protocol: GET /zones, GET /zones/ZONE/records, POST /zones/ZONE/changes. Names are full
// names, with or without a dot at the end; values of TXT records are plain text. Mount it with http.StripPrefix to serve
// it below a path.
func (h *Host) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /zones", func(w http.ResponseWriter, r *http.Request) {
		zones, err := h.ListZones(r.Context())
		if err != nil {
			refuse(w, err)
			return
		}
		names := []string{}
		for _, z := range zones {
			names = append(names, strings.TrimSuffix(z.Name, "."))
		}
		answer(w, names)
	})
	mux.HandleFunc("GET /zones/{zone}/records", func(w http.ResponseWriter, r *http.Request) {
		recs, err := h.GetRecords(r.Context(), r.PathValue("zone"))
		if err != nil {
			refuse(w, err)
			return
		}
		out := []webRecord{}
		for _, rec := range recs {
			rr := rec.RR()
			name := strings.TrimSuffix(absolute(rr.Name, r.PathValue("zone")), ".")
			out = append(out, webRecord{name, rr.Type, rr.Data, int(rr.TTL / time.Second)})
		}
		answer(w, out)
	})
	mux.HandleFunc("POST /zones/{zone}/changes", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Changes []webChange `json:"changes"`
		}
		if err := json.NewDecoder(io.LimitReader(r.Body, 16<<20)).Decode(&body); err != nil {
			refuse(w, &HostError{Status: 400, Message: "body: " + err.Error()})
			return
		}
		var adds, dels []libdns.RR
		for _, c := range body.Changes {
			rr := libdns.RR{Name: dns.Fqdn(c.Name), Type: c.Type, Data: c.Value, TTL: time.Duration(c.TTL) * time.Second}
			switch {
			case c.Name == "" || c.Type == "" || c.Value == "":
				refuse(w, &HostError{Status: 400, Message: "a change needs name, type and value"})
				return
			case c.Op == "add":
				adds = append(adds, rr)
			case c.Op == "delete":
				rr.TTL = 0 // deleted by exact value, whatever its ttl
				dels = append(dels, rr)
			default:
				refuse(w, &HostError{Status: 400, Message: fmt.Sprintf("op %q is neither add nor delete", c.Op)})
				return
			}
		}
		if err := h.Change(r.Context(), r.PathValue("zone"), adds, dels); err != nil {
			refuse(w, err)
			return
		}
		answer(w, map[string]int{"accepted": len(body.Changes)})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		token := h.config.Token
		h.mu.Unlock()
		given := r.Header.Get("Authorization")
		if token != "" && subtle.ConstantTimeCompare([]byte(given), []byte("Bearer "+token)) != 1 {
			refuse(w, &HostError{Status: 401, Message: "bearer token missing or wrong"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// refuse answers an error of the host; what has no answer breaks the connection.
func refuse(w http.ResponseWriter, err error) {
	var e *HostError
	if !errors.As(err, &e) {
		panic(http.ErrAbortHandler)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	json.NewEncoder(w).Encode(map[string]string{"error": e.Message})
}
