package catalogue

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
)

func init() { fakes["bluecat"] = bluecatFake }

// bluecatFake shows in DNS what was deployed.
func bluecatFake() fake {
	h := &table{zone: "example.com"}
	type record struct {
		ID           int    `json:"id"`
		Type         string `json:"type"`
		Name         string `json:"name"`
		AbsoluteName string `json:"absoluteName"`
		RecordType   string `json:"recordType"`
		Text         string `json:"text"`
	}
	var deployed atomic.Pointer[table]
	deployed.Store(&table{zone: h.zone})
	deploy := func() { deployed.Store(&table{zone: h.zone, all: h.list()}) }
	reply := func(w http.ResponseWriter, code int, v any) { w.WriteHeader(code); json.NewEncoder(w).Encode(v) }
	m := http.NewServeMux()
	m.HandleFunc("POST /api/v2/sessions", func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		if json.NewDecoder(r.Body).Decode(&in) != nil || in["username"] != "ops" || in["password"] != "canary-password" {
			reply(w, http.StatusUnauthorized, nil)
			return
		}
		reply(w, http.StatusCreated, map[string]string{"apiToken": "t", "basicAuthenticationCredentials": "session"})
	})
	m.HandleFunc("GET /api/v2/zones", func(w http.ResponseWriter, r *http.Request) {
		data := []any{}
		if r.FormValue("filter") == "absoluteName:eq('example.com')" {
			data = append(data, map[string]any{"id": 7, "name": "example", "absoluteName": h.zone})
		}
		reply(w, http.StatusOK, map[string]any{"data": data})
	})
	m.HandleFunc("POST /api/v2/zones/7/resourceRecords", func(w http.ResponseWriter, r *http.Request) {
		var in record
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Type != "TXTRecord" {
			reply(w, http.StatusBadRequest, nil)
			return
		}
		in.ID = h.add(h.relative(in.AbsoluteName), in.Text).id
		reply(w, http.StatusCreated, in)
	})
	m.HandleFunc("GET /api/v2/resourceRecords", func(w http.ResponseWriter, r *http.Request) {
		data := []record{}
		for _, t := range h.list() {
			full := t.name + "." + h.zone
			if r.FormValue("filter") == fmt.Sprintf("absoluteName:eq('%s') and type:eq('TXTRecord')", full) {
				data = append(data, record{t.id, "TXTRecord", t.name, full, "TXT", t.text})
			}
		}
		reply(w, http.StatusOK, map[string]any{"data": data})
	})
	m.HandleFunc("DELETE /api/v2/resourceRecords/{id}", func(w http.ResponseWriter, r *http.Request) {
		if id, _ := strconv.Atoi(r.PathValue("id")); !h.remove(id) {
			reply(w, http.StatusNotFound, nil)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	m.HandleFunc("POST /api/v2/zones/7/deployments", func(w http.ResponseWriter, r *http.Request) {
		deploy()
		reply(w, http.StatusCreated, map[string]string{})
	})
	return fake{zone: h.zone, args: map[string]string{"server_url": "%URL%", "username": "ops", "password": "canary-password"},
		txt:     func(name string) []string { return deployed.Load().txt(name) },
		foreign: func(name, value string) { h.foreign(name, value); deploy() },
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/v2/sessions" && r.Header.Get("Authorization") != "Basic session" {
				reply(w, http.StatusUnauthorized, nil)
				return
			}
			m.ServeHTTP(w, r)
		})}
}
