package vault_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a KV version 2 mount at secret/ with the auth methods that the sink
// knows, and policies as functions.
type fake struct {
	*httptest.Server
	t testing.TB

	mu      sync.Mutex
	secrets map[string]*secret
	tokens  map[string]*grant
	logins  int
	renewed int
	writes  int
	calls   []string
	die     func(after bool) bool
	busy    int // so many answers are 503 with Retry-After
	version string
}

type secret struct {
	versions []map[string]any // nil: deleted
	custom   map[string]any
}

// grant is what a token may do.
type grant struct {
	may       func(method, path string) bool
	until     time.Time
	renewable bool
	life      time.Duration
}

func newFake(t testing.TB) *fake {
	f := &fake{t: t, secrets: map[string]*secret{}, tokens: map[string]*grant{}, version: "2"}
	f.tokens["root"] = &grant{may: func(string, string) bool { return true }}
	f.tokens["reader"] = &grant{may: func(method, path string) bool {
		return method == http.MethodGet && strings.HasPrefix(path, "secret/metadata/")
	}}
	f.tokens["data-only"] = &grant{may: func(_, path string) bool { return strings.HasPrefix(path, "secret/data/") }}
	f.tokens["writer"] = &grant{may: func(method, path string) bool {
		return strings.HasPrefix(path, "secret/metadata/") || strings.HasPrefix(path, "secret/data/") && method != http.MethodGet
	}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	var body map[string]any
	if r.Body != nil {
		_ = json.NewDecoder(r.Body).Decode(&body)
	}
	f.calls = append(f.calls, r.Method+" "+path)
	if f.busy > 0 {
		f.busy--
		w.Header().Set("Retry-After", "7")
		refuse(w, 503, "Vault is sealed")
		return
	}
	changes := r.Method != http.MethodGet && strings.HasPrefix(path, "secret/")
	if changes {
		f.writes++
	}
	if f.die != nil && (f.die(false) || changes && f.die(false)) {
		panic(http.ErrAbortHandler)
	}
	rec := httptest.NewRecorder()
	f.answer(rec, r, path, body)
	if f.die != nil && changes && f.die(true) {
		panic(http.ErrAbortHandler)
	}
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func refuse(w http.ResponseWriter, status int, words ...string) {
	if words == nil {
		words = []string{}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": words})
}

func tell(w http.ResponseWriter, status int, answer map[string]any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (f *fake) answer(w http.ResponseWriter, r *http.Request, path string, body map[string]any) {
	if strings.HasPrefix(path, "auth/") && strings.HasSuffix(path, "/login") {
		f.login(w, path, body)
		return
	}
	token := r.Header.Get("X-Vault-Token")
	g := f.tokens[token]
	if g == nil || !g.until.IsZero() && time.Now().After(g.until) {
		refuse(w, 403, "permission denied", "invalid token")
		return
	}
	switch {
	case path == "auth/token/lookup-self":
		tell(w, 200, map[string]any{"data": map[string]any{"ttl": int(g.life.Seconds()), "renewable": g.renewable}})
		return
	case path == "auth/token/renew-self":
		f.renewed++
		g.until = time.Now().Add(g.life)
		tell(w, 200, map[string]any{"auth": map[string]any{"client_token": token, "lease_duration": int(g.life.Seconds()), "renewable": true}})
		return
	case path == "sys/internal/ui/mounts/secret":
		tell(w, 200, map[string]any{"data": map[string]any{"type": "kv", "options": map[string]any{"version": f.version}}})
		return
	case !g.may(r.Method, path):
		refuse(w, 403, "1 error occurred:\n\t* permission denied\n\n")
		return
	}
	for _, part := range []string{"data", "metadata"} {
		if name, ok := strings.CutPrefix(path, "secret/"+part+"/"); ok {
			map[string]func(http.ResponseWriter, string, string, map[string]any){"data": f.data, "metadata": f.metadata}[part](w, r.Method, name, body)
			return
		}
	}
	refuse(w, 404, "no handler for route \""+path+"\". route entry not found.")
}

func (f *fake) login(w http.ResponseWriter, path string, body map[string]any) {
	good := map[string]map[string]any{
		"auth/approle/login":    {"role_id": "role", "secret_id": "canary-secret-id"},
		"auth/jwt/login":        {"role": "ci", "jwt": "canary-jwt"},
		"auth/kubernetes/login": {"role": "pod", "jwt": "canary-pod"},
		"auth/other/login":      {"role_id": "role", "secret_id": "canary-secret-id"},
	}[path]
	if good == nil || fmt.Sprint(good) != fmt.Sprint(body) {
		refuse(w, 400, "invalid role or secret ID")
		return
	}
	f.logins++
	token := fmt.Sprintf("login-%d", f.logins)
	f.tokens[token] = &grant{may: f.tokens["root"].may, until: time.Now().Add(time.Minute)}
	tell(w, 200, map[string]any{"auth": map[string]any{"client_token": token, "lease_duration": 60}})
}

func (f *fake) data(w http.ResponseWriter, method, name string, body map[string]any) {
	s := f.secrets[name]
	if method == http.MethodGet {
		if s == nil || len(s.versions) == 0 {
			refuse(w, 404)
			return
		}
		n := len(s.versions)
		status, deleted := 200, ""
		if s.versions[n-1] == nil {
			status, deleted = 404, "2020-01-01T00:00:00Z"
		}
		tell(w, status, map[string]any{"data": map[string]any{"data": s.versions[n-1], "metadata": map[string]any{"version": n, "deletion_time": deleted, "destroyed": false, "custom_metadata": s.custom}}})
		return
	}
	if s == nil {
		s = &secret{}
	}
	options, _ := body["options"].(map[string]any)
	if cas, ok := options["cas"].(float64); ok && int(cas) != len(s.versions) {
		refuse(w, 400, "check-and-set parameter did not match the current version")
		return
	}
	f.secrets[name] = s
	data, _ := body["data"].(map[string]any)
	s.versions = append(s.versions, data)
	tell(w, 200, map[string]any{"data": map[string]any{"version": len(s.versions), "deletion_time": "", "destroyed": false}})
}

func (f *fake) metadata(w http.ResponseWriter, method, name string, body map[string]any) {
	s := f.secrets[name]
	if method == http.MethodGet {
		if s == nil {
			refuse(w, 404)
			return
		}
		versions := map[string]any{}
		for i, v := range s.versions {
			deleted := ""
			if v == nil {
				deleted = "2020-01-01T00:00:00Z"
			}
			versions[fmt.Sprint(i+1)] = map[string]any{"deletion_time": deleted, "destroyed": false}
		}
		tell(w, 200, map[string]any{"data": map[string]any{"current_version": len(s.versions), "custom_metadata": s.custom, "versions": versions}})
		return
	}
	if s == nil {
		s = &secret{}
		f.secrets[name] = s
	}
	custom, _ := body["custom_metadata"].(map[string]any)
	if len(custom) > 64 {
		refuse(w, 400, "custom_metadata has too many keys")
		return
	}
	for k, v := range custom {
		if text, ok := v.(string); !ok || len(text) > 512 || len(text) == 0 || len(k) > 128 {
			refuse(w, 400, "custom_metadata "+k+": value has to be a string of 1 to 512 bytes")
			return
		}
	}
	s.custom = custom
	w.WriteHeader(204)
}
