package s3_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// store is somebody else's S3 in memory, behind a gate of ours that knows
// rights, counts, and dies.
type store struct {
	*httptest.Server
	t   testing.TB
	s3  http.Handler
	mu  sync.Mutex
	log []string
	// answer, if not nil, may answer a request before the store does, or after
	// it, when what the store said gets lost.
	answer   func(w http.ResponseWriter, r *http.Request, after bool) bool
	writes   int
	lastHead http.Header // of the last PUT
}

const (
	goodKey   = "AKIAGOOD"
	readerKey = "AKIAREADER"
)

func newStore(t testing.TB) *store {
	backend := s3mem.New()
	if err := backend.CreateBucket("certs"); err != nil {
		t.Fatal(err)
	}
	s := &store{t: t, s3: gofakes3.New(backend).Server()}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.URL.Path, "/certs/")
	s.mu.Lock()
	s.log = append(s.log, r.Method+" "+key)
	changes := r.Method == http.MethodPut || r.Method == http.MethodDelete
	if changes {
		s.writes++
		s.lastHead = r.Header.Clone()
	}
	answer := s.answer
	s.mu.Unlock()
	auth := r.Header.Get("Authorization")
	reads := strings.Contains(auth, "Credential="+readerKey+"/")
	switch {
	case !reads && !strings.Contains(auth, "Credential="+goodKey+"/"):
		refuse(w, r, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
		return
	case reads && (r.Method != http.MethodHead || strings.HasSuffix(key, "privkey.pem")):
		refuse(w, r, "AccessDenied", "Access Denied")
		return
	}
	if answer != nil && answer(w, r, false) {
		return
	}
	rec := httptest.NewRecorder()
	s.s3.ServeHTTP(rec, r)
	if answer != nil && answer(w, r, true) {
		return
	}
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func refuse(w http.ResponseWriter, r *http.Request, code, words string) {
	w.Header().Set("Content-Type", "application/xml")
	status := http.StatusForbidden
	switch code {
	case "Killed":
		status = http.StatusBadRequest
	case "NotImplemented":
		status = http.StatusNotImplemented
	case "ConditionalRequestConflict":
		status = http.StatusConflict
	case "PreconditionFailed":
		status = http.StatusPreconditionFailed
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, words)
	}
}

// do asks the store behind the gate.
func (s *store) do(method, key string, body []byte) (int, []byte) {
	s.t.Helper()
	r := httptest.NewRequest(method, "/certs/"+key, bytes.NewReader(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	rec := httptest.NewRecorder()
	s.s3.ServeHTTP(rec, r)
	data, err := io.ReadAll(rec.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return rec.Code, data
}

func (s *store) reader(layout string) func(name string) (chain, key []byte, err error) {
	return func(name string) (chain, key []byte, err error) {
		if layout == "bundle" {
			status, data := s.do(http.MethodGet, "tls/"+name+".pem", nil)
			if status != 200 {
				return nil, nil, fmt.Errorf("status %d", status)
			}
			return data, data, nil
		}
		return s.readPair("tls/" + name + "/current.json")
	}
}

func (s *store) readPair(key string) (chain, private []byte, err error) {
	status, data := s.do(http.MethodGet, key, nil)
	var p struct {
		Fullchain  string `json:"fullchain"`
		PrivateKey string `json:"private_key"`
	}
	if err := json.Unmarshal(data, &p); status != 200 || err != nil {
		return nil, nil, fmt.Errorf("status %d: %v", status, err)
	}
	one, chain := s.do(http.MethodGet, p.Fullchain, nil)
	two, private := s.do(http.MethodGet, p.PrivateKey, nil)
	if one != 200 || two != 200 {
		return nil, nil, fmt.Errorf("status %d and %d", one, two)
	}
	return chain, private, nil
}

func (s *store) dieAt(k int, after bool) func() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	mark, came := s.writes, false
	s.answer = func(w http.ResponseWriter, r *http.Request, at bool) bool {
		s.mu.Lock()
		came = came || at == after && s.writes >= mark+k
		die := came
		s.mu.Unlock()
		if die {
			refuse(w, r, "Killed", "not tried again by the SDK, unlike a broken connection")
		}
		return die
	}
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answer = nil
		return came
	}
}
