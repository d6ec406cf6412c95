package acmetest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	mathrand "math/rand"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// CA is an ACME server. It is an http.Handler; all methods may be called concurrently. Inside a testing/synctest bubble
// it must be made in it.
type CA struct {
	config atomic.Pointer[Config]
	tag    string // makes the directory's address this CA's own
	nonces nonces
	chance chance
	issuer *authority
	limits limiter
	flight chan struct{}

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex // guards the maps and never anything that takes time
	accounts map[string]*account
	byKey    map[string]*account // by thumbprint
	orders   map[string]*order
	open     map[string]*order // by account, profile and names: handed back while pending or ready
	aging    []*order          // oldest first
	authzs   map[string]*authz
	proven   map[string]*authz // by account and name: the newest valid one
	certs    map[string]*certificate
	issued   []*certificate
	renewed  map[string]bool // sets of names that have been issued
	serial   int
	counts   map[string]int
	closers  []func()
	closed   bool
}

// New returns a CA with fresh roots. Close ends what it began.
func New(c Config) *CA {
	var b [6]byte
	rand.Read(b[:])
	ca := &CA{
		tag:      base64.RawURLEncoding.EncodeToString(b[:]),
		chance:   chance{r: mathrand.New(mathrand.NewSource(c.Seed))},
		issuer:   newAuthority(first(c.Roots, 2), first(c.Intermediates, 2)),
		accounts: map[string]*account{},
		byKey:    map[string]*account{},
		orders:   map[string]*order{},
		open:     map[string]*order{},
		authzs:   map[string]*authz{},
		proven:   map[string]*authz{},
		certs:    map[string]*certificate{},
		renewed:  map[string]bool{},
		counts:   map[string]int{},
	}
	if c.MaxInFlight > 0 {
		ca.flight = make(chan struct{}, c.MaxInFlight)
	}
	ca.config.Store(&c)
	ca.ctx, ca.cancel = context.WithCancel(context.Background())
	return ca
}

// Configure changes what the CA is like. Seed, Roots, Intermediates and MaxInFlight stay what they were.
func (ca *CA) Configure(change func(*Config)) {
	for {
		old := ca.config.Load()
		c := *old
		change(&c)
		if ca.config.CompareAndSwap(old, &c) {
			return
		}
	}
}

// Close ends validations and listeners and waits for them. It may be repeated.
func (ca *CA) Close() error {
	ca.mu.Lock()
	closers := ca.closers
	ca.closers, ca.closed = nil, true
	ca.mu.Unlock()
	ca.cancel()
	for _, end := range closers {
		end()
	}
	ca.wg.Wait()
	return nil
}

// run begins f in a goroutine that Close waits for; not any more once the CA is closed.
func (ca *CA) run(f func()) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if !ca.closed {
		ca.wg.Go(f)
	}
}

// sleep waits d, or less when ctx or the CA ends; false then.
func (ca *CA) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-ca.ctx.Done():
	}
	return false
}

// Counts returns how often each operation was asked for ("newOrder", "finalize", ...) and what came of it: "requests",
// "orders", "ordersReused", "authzsReused", "certificates", "validations", "badNonces", "rateLimited", "replaced".
func (ca *CA) Counts() map[string]int {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	out := make(map[string]int, len(ca.counts))
	for k, v := range ca.counts {
		out[k] = v
	}
	return out
}

func (ca *CA) count(what string) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.counts[what]++
}

// request is one request on its way.
type request struct {
	ca      *CA
	config  *Config
	http    *http.Request
	header  http.Header // of the answer
	base    string      // https://host
	id      string      // what follows the operation in the path
	account *account
	key     *key
	payload []byte
}

func (r *request) asGet() bool { return len(r.payload) == 0 }

func (r *request) url(parts ...string) string { return r.base + "/" + strings.Join(parts, "/") }

func (r *request) decode(v any) *Problem {
	if err := json.Unmarshal(r.payload, v); err != nil {
		return malformed("Error unmarshaling request body: %v", err)
	}
	return nil
}

// answer is what a request gets: a JSON body, or bytes as they are.
type answer struct {
	status int
	body   any
}

type operation struct {
	name string
	auth auth
	do   func(*request) (answer, *Problem)
}

type auth int

const (
	open  auth = iota // GET or HEAD
	byKey             // POST signed with a key that it carries
	byKid             // POST signed by an account
	byEither
)

func operationFor(path string) (operation, string) {
	name, id, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch name {
	case "directory":
		return operation{"directory", open, directory}, id
	case "new-nonce":
		return operation{"newNonce", open, newNonce}, id
	case "new-acct":
		return operation{"newAccount", byKey, newAccount}, id
	case "acct":
		return operation{"account", byKid, updateAccount}, id
	case "key-change":
		return operation{"keyChange", byKid, keyChange}, id
	case "new-order":
		return operation{"newOrder", byKid, newOrder}, id
	case "order":
		return operation{"order", byKid, getOrder}, id
	case "finalize":
		return operation{"finalize", byKid, finalize}, id
	case "authz":
		return operation{"authz", byKid, getAuthz}, id
	case "chall":
		return operation{"challenge", byKid, postChallenge}, id
	case "cert":
		return operation{"certificate", byKid, getCertificate}, id
	case "revoke-cert":
		return operation{"revokeCert", byEither, revoke}, id
	case "renewal-info":
		return operation{"renewalInfo", open, renewalInfo}, id
	}
	return operation{}, ""
}

// ServeHTTP answers one request. A lost reply breaks the connection by http.ErrAbortHandler.
func (ca *CA) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	c := ca.config.Load()
	op, id := operationFor(hr.URL.Path)
	if op.do == nil {
		notFound("Page not found").write(w)
		return
	}
	ca.count("requests")
	ca.count(op.name)
	if op.name != "directory" {
		if !ca.enter(hr.Context(), c) {
			panic(http.ErrAbortHandler)
		}
		defer ca.leave()
	}
	var fault Fault
	if c.Fault != nil {
		if f := c.Fault(hr, op.name); f != nil {
			fault = *f
		}
	}
	if !ca.sleep(hr.Context(), fault.Delay) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case fault.Drop:
		panic(http.ErrAbortHandler)
	case fault.Problem != nil:
		w.Header().Set("Replay-Nonce", ca.nonces.issue())
		index(w.Header(), hr)
		fault.Problem.write(w)
		return
	case fault.Status > 0:
		http.Error(w, fault.Body, fault.Status)
		return
	}
	if p := ca.limits.frontDoor(c, op.name); p != nil {
		p.write(w)
		return
	}
	r := &request{ca: ca, config: c, http: hr, header: w.Header(), base: base(hr), id: id}
	a, p := r.work(op)
	if fault.LoseReply {
		panic(http.ErrAbortHandler)
	}
	if op.auth != open || op.name == "newNonce" {
		w.Header().Set("Replay-Nonce", ca.nonces.issue())
	}
	if op.name != "directory" {
		index(w.Header(), hr)
	}
	w.Header().Set("Cache-Control", "public, max-age=0, no-cache")
	if p != nil {
		p.write(w)
		return
	}
	a.write(w, hr.Method)
}

// enter takes a place among the requests in flight and spends the latency there.
func (ca *CA) enter(ctx context.Context, c *Config) bool {
	if ca.flight != nil {
		select {
		case ca.flight <- struct{}{}:
		case <-ctx.Done():
			return false
		case <-ca.ctx.Done():
			return false
		}
	}
	if !ca.sleep(ctx, c.Latency) {
		ca.leave()
		return false
	}
	return true
}

func (ca *CA) leave() {
	if ca.flight != nil {
		<-ca.flight
	}
}

func index(h http.Header, r *http.Request) {
	h.Add("Link", "<"+base(r)+"/directory>;rel=\"index\"")
}

func base(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (r *request) work(op operation) (answer, *Problem) {
	if op.auth == open {
		if r.http.Method != http.MethodGet && r.http.Method != http.MethodHead {
			return answer{}, problem(http.StatusMethodNotAllowed, "malformed", "Method not allowed")
		}
	} else if p := r.authenticate(op.auth); p != nil {
		return answer{}, p
	}
	return op.do(r)
}

func (a answer) write(w http.ResponseWriter, method string) {
	if b, ok := a.body.([]byte); ok {
		w.WriteHeader(a.status)
		w.Write(b)
		return
	}
	if a.body == nil || method == http.MethodHead {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(a.body)
}

func directory(r *request) (answer, *Problem) {
	d := map[string]any{
		"newNonce": r.url("new-nonce"), "newAccount": r.url("new-acct"), "newOrder": r.url("new-order"),
		"revokeCert": r.url("revoke-cert"), "keyChange": r.url("key-change"),
	}
	if !r.config.NoARI {
		d["renewalInfo"] = r.url("renewal-info")
	}
	meta := map[string]any{
		"termsOfService": r.url("terms"), "website": r.base, "caaIdentities": []string{"ca.test"},
	}
	if r.config.EABRequired {
		meta["externalAccountRequired"] = true
	}
	if len(r.config.Profiles) > 0 {
		profiles := map[string]string{}
		for name, p := range r.config.Profiles {
			profiles[name] = first(p.Description, name)
		}
		meta["profiles"] = profiles
	}
	d["meta"] = meta
	return answer{http.StatusOK, d}, nil
}

func newNonce(r *request) (answer, *Problem) {
	if r.http.Method == http.MethodHead {
		return answer{status: http.StatusOK}, nil
	}
	return answer{status: http.StatusNoContent}, nil
}

func readAll(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, 1<<20)) }
