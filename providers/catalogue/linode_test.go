package catalogue

import (
	"bytes"
	"encoding/json"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

func init() { fakes["linode"] = linodeFake }

// linodeFake is the Linode API, version 4.
func linodeFake() fake {
	h := &held{zone: "example.com"}
	type record struct {
		ID     int    `json:"id"`
		Type   string `json:"type"`
		Name   string `json:"name"`
		Target string `json:"target"`
		TTLSec int    `json:"ttl_sec"`
	}
	list := func(w http.ResponseWriter, n int, data any) {
		replyJSON(w, object{"data": data, "page": 1, "pages": 1, "results": n})
	}
	fault := func(w http.ResponseWriter, code int, reason string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		json.NewEncoder(w).Encode(object{"errors": []object{{"reason": reason}}})
	}
	return h.fake(map[string]string{"api_token": "canary-token", "api_url": "%URL%"}, func(w http.ResponseWriter, r *http.Request) {
		id, single := strings.CutPrefix(r.URL.Path, "/v4/domains/7/records/")
		switch {
		case r.Header.Get("Authorization") != "Bearer canary-token":
			fault(w, http.StatusUnauthorized, "Invalid Token")
		case r.URL.Path == "/v4/domains":
			if f := r.Header.Get("X-Filter"); f != "" && !strings.Contains(f, `"example.com"`) {
				list(w, 0, []object{})
				return
			}
			list(w, 1, []object{{"id": 7, "domain": h.zone, "type": "master"}})
		case r.URL.Path == "/v4/domains/7/records" && r.Method == "GET":
			all := []record{}
			for _, k := range h.all {
				all = append(all, record{k.ID, k.Type, strings.TrimPrefix(k.Name, "@"), k.Val, k.TTL})
			}
			list(w, len(all), all)
		case r.URL.Path == "/v4/domains/7/records" && r.Method == "POST":
			var in record
			json.NewDecoder(r.Body).Decode(&in)
			if in.Name == "" {
				in.Name = "@"
			}
			k := h.add(in.Name, in.Type, in.Target, max(300, in.TTLSec))
			replyJSON(w, record{k.ID, k.Type, in.Name, k.Val, k.TTL})
		case single && r.Method == "DELETE":
			if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == id }) == 0 {
				fault(w, http.StatusNotFound, "Not found")
				return
			}
			replyJSON(w, object{})
		default:
			fault(w, http.StatusNotFound, "Not found")
		}
	})
}

// The logger of the process is as before when a zone of Linode was changed.
func TestLinodeLogs(t *testing.T) {
	var text bytes.Buffer
	logger, out, flags := slog.Default(), log.Writer(), log.Flags()
	defer func() {
		slog.SetDefault(logger)
		log.SetOutput(out)
		log.SetFlags(flags)
	}()
	ours := slog.New(slog.NewTextHandler(&text, nil))
	slog.SetDefault(ours)
	log.SetOutput(os.Stderr)
	linodeRow.at(t, linodeFake())
	if slog.Default() != ours || log.Writer() != os.Stderr {
		t.Error("upstream's logger stays")
	}
}
