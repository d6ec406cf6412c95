package acmetest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

type order struct {
	id       string
	account  *account
	names    []string // sorted
	profile  string
	replaces string
	exempt   bool // replaces a certificate within its window: no limit counts it
	renewal  bool // of a set of names that was issued before: few limits do
	authzs   []*authz
	created  time.Time
	expires  time.Time
	reuseKey string

	mu    sync.Mutex
	final bool         // finalize has begun: the authorizations say nothing any more
	ready time.Time    // when a finalized order stops processing
	cert  *certificate // nil while it is being signed
}

// nextID returns a new identifier; mu is held.
func (ca *CA) nextID() string {
	ca.serial++
	return strconv.FormatInt(int64(ca.serial)+1_000_000, 36)
}

// newOrder makes an order, or hands back the account's open one for the same names (RFC 8555 section 7.4).
func newOrder(r *request) (answer, *Problem) {
	var body struct {
		Identifiers []Identifier `json:"identifiers"`
		NotBefore   string       `json:"notBefore"`
		NotAfter    string       `json:"notAfter"`
		Profile     string       `json:"profile"`
		Replaces    string       `json:"replaces"`
	}
	if p := r.decode(&body); p != nil {
		return answer{}, p
	}
	if body.NotBefore != "" || body.NotAfter != "" {
		return answer{}, malformed("NotBefore and NotAfter are not supported")
	}
	name, profile, ok := r.config.profile(body.Profile)
	if !ok {
		return answer{}, problem(http.StatusBadRequest, "invalidProfile", "Profile %q is not recognized or not offered", body.Profile)
	}
	names, p := checkNames(body.Identifiers, r.config.maxNames(profile), r.config.Refuse)
	if p != nil {
		return answer{}, p
	}
	within, p := r.checkReplaces(body.Replaces, names)
	if p != nil {
		return answer{}, p
	}
	o := &order{
		account: r.account, names: names, profile: name, replaces: body.Replaces,
		reuseKey: r.account.id + " " + name + " " + strings.Join(names, ","),
	}
	if old := r.ca.reusable(o.reuseKey); old != nil {
		r.header.Set("Location", r.url("order", old.id))
		return answer{http.StatusCreated, r.displayOrder(old)}, nil
	}
	r.ca.mu.Lock()
	o.exempt, o.renewal = within, r.ca.renewed[strings.Join(names, ",")]
	r.ca.mu.Unlock()
	if !within {
		if p := r.ca.limits.order(r.config.Limits, r.account.id, names, o.renewal); p != nil {
			r.ca.count("rateLimited")
			return answer{}, p
		}
	}
	o, fresh := r.ca.addOrder(o, r.config, profile)
	if !fresh {
		r.ca.count("ordersReused")
	}
	r.header.Set("Location", r.url("order", o.id))
	return answer{http.StatusCreated, r.displayOrder(o)}, nil
}

// reusable returns the account's pending or ready order for the same names and profile.
func (ca *CA) reusable(key string) *order {
	ca.mu.Lock()
	old := ca.open[key]
	ca.mu.Unlock()
	if old == nil {
		return nil
	}
	if status, _ := old.status(); status != "pending" && status != "ready" || !time.Now().Before(old.expires) {
		return nil
	}
	ca.count("ordersReused")
	return old
}

// addOrder keeps the order with its authorizations, valid ones of earlier orders where there are any. If another request
// was quicker with the same names its order is returned.
func (ca *CA) addOrder(o *order, c *Config, profile Profile) (_ *order, fresh bool) {
	now := time.Now()
	o.created, o.expires = now, now.Add(c.orderLife(profile)).Truncate(time.Second)
	for {
		ca.mu.Lock()
		other := ca.open[o.reuseKey]
		ca.mu.Unlock()
		if other != nil {
			status, _ := other.status()
			if (status == "pending" || status == "ready") && now.Before(other.expires) {
				return other, false
			}
		}
		ca.mu.Lock()
		if ca.open[o.reuseKey] == other {
			break
		}
		ca.mu.Unlock()
	}
	defer ca.mu.Unlock()
	ca.forget(now)
	o.id = ca.nextID()
	for _, name := range o.names {
		key := o.account.id + " " + name
		if a := ca.proven[key]; a != nil {
			if a.provenFor(now, c.authzReuse(profile)) {
				o.authzs = append(o.authzs, a)
				ca.counts["authzsReused"]++
				continue
			}
			delete(ca.proven, key)
		}
		a := newAuthz(ca.nextID(), o.account, name, o.expires, c.authzReuse(profile))
		if c.Authorized != nil && c.Authorized(name) {
			a.status, a.validated = "valid", now
		}
		ca.authzs[a.id] = a
		o.authzs = append(o.authzs, a)
	}
	ca.orders[o.id], ca.open[o.reuseKey] = o, o
	ca.aging = append(ca.aging, o)
	ca.counts["orders"]++
	return o, true
}

// forget drops the oldest orders once they have expired; mu is held.
func (ca *CA) forget(now time.Time) {
	k := 0
	for ; k < len(ca.aging) && !now.Before(ca.aging[k].expires); k++ {
		ca.drop(ca.aging[k])
	}
	clear(ca.aging[:k])
	ca.aging = ca.aging[k:]
}

func (ca *CA) drop(o *order) {
	delete(ca.orders, o.id)
	if ca.open[o.reuseKey] == o {
		delete(ca.open, o.reuseKey)
	}
	for _, a := range o.authzs {
		if ca.proven[a.account.id+" "+a.order] != a {
			delete(ca.authzs, a.id)
		}
	}
}

// ForgetOrders makes the CA forget every order and what belongs to it, as if all had expired. Valid authorizations and
// issued certificates stay.
func (ca *CA) ForgetOrders() {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	for _, o := range ca.orders {
		ca.drop(o)
	}
	ca.aging = nil
}

// status derives the order's status from its authorizations until it is finalized (RFC 8555 section 7.1.6).
func (o *order) status() (string, *Problem) {
	o.mu.Lock()
	final, cert, ready := o.final, o.cert, o.ready
	o.mu.Unlock()
	if final {
		if cert == nil || time.Now().Before(ready) {
			return "processing", nil
		}
		return "valid", nil
	}
	status := "ready"
	for _, a := range o.authzs {
		switch s, p := a.state(); s {
		case "valid":
		case "pending":
			status = "pending"
		default:
			if p == nil {
				p = unauthorized("authorization for %q is %s", a.order, s)
			}
			return "invalid", p
		}
	}
	return status, nil
}

type orderView struct {
	Status         string       `json:"status"`
	Expires        time.Time    `json:"expires"`
	Identifiers    []Identifier `json:"identifiers"`
	Profile        string       `json:"profile,omitempty"`
	Replaces       string       `json:"replaces,omitempty"`
	Error          *Problem     `json:"error,omitempty"`
	Authorizations []string     `json:"authorizations"`
	Finalize       string       `json:"finalize"`
	Certificate    string       `json:"certificate,omitempty"`
}

func (r *request) displayOrder(o *order) orderView {
	status, p := o.status()
	v := orderView{
		Status: status, Expires: o.expires.UTC(), Profile: o.profile, Replaces: o.replaces,
		Finalize: r.url("finalize", o.id),
	}
	if p != nil {
		q := p.whole()
		v.Error = &q
	}
	for i, name := range o.names {
		v.Identifiers = append(v.Identifiers, Identifier{"dns", name})
		v.Authorizations = append(v.Authorizations, r.url("authz", o.authzs[i].id))
	}
	switch status {
	case "valid":
		v.Certificate = r.url("cert", o.cert.serial)
	case "processing":
		retryAfter(r.header, r.config.OrderRetryAfter)
	}
	return v
}

// order returns the account's order that the path names.
func (r *request) order() (*order, *Problem) {
	r.ca.mu.Lock()
	o := r.ca.orders[r.id]
	r.ca.mu.Unlock()
	if o == nil || !time.Now().Before(o.expires) {
		return nil, notFound("No order found for ID %q", r.id)
	}
	if o.account != r.account {
		return nil, notFound("No order found for account ID %q", r.account.id)
	}
	return o, nil
}

func getOrder(r *request) (answer, *Problem) {
	if !r.asGet() {
		return answer{}, malformed("POST-as-GET requests must have an empty payload")
	}
	o, p := r.order()
	if p != nil {
		return answer{}, p
	}
	return answer{http.StatusOK, r.displayOrder(o)}, nil
}

// checkNames returns the order's names, lower case, sorted and once each; what is wrong with several is told of each.
func checkNames(ids []Identifier, most int, refuse func(string) string) ([]string, *Problem) {
	if len(ids) == 0 {
		return nil, malformed("NewOrder request did not specify any identifiers")
	}
	var names []string
	var bad []Problem
	for _, id := range ids {
		if id.Type != "dns" {
			return nil, problem(http.StatusBadRequest, "unsupportedIdentifier", "identifier type %q is not supported", id.Type)
		}
		name := strings.ToLower(id.Value)
		names = append(names, name)
		typ, why := "malformed", wrong(name)
		if why == "" && refuse != nil {
			typ, why = "rejectedIdentifier", refuse(name)
		}
		if why != "" {
			p := problem(http.StatusBadRequest, typ, "Cannot issue for %q: %s", name, why)
			p.Identifier = &Identifier{"dns", name}
			bad = append(bad, *p)
		}
	}
	if len(bad) == 1 {
		bad[0].Identifier = nil
		return nil, &bad[0]
	}
	if len(bad) > 1 {
		p := problem(http.StatusBadRequest, bad[0].Type, "%s (and %d more problems. Refer to sub-problems for more information.)", bad[0].Detail, len(bad)-1)
		p.Subproblems = bad
		return nil, p
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > most {
		return nil, malformed("Order cannot contain more than %d identifiers", most)
	}
	for _, n := range names {
		if _, up, ok := strings.Cut(n, "."); ok && !strings.HasPrefix(n, "*.") && slices.Contains(names, "*."+up) {
			return nil, malformed("Domain name %q is redundant with a wildcard domain in the same request. Remove one or the other from the certificate request.", n)
		}
	}
	return names, nil
}

// wrong says what keeps a name from being one in public DNS.
func wrong(name string) string {
	base := strings.TrimPrefix(name, "*.")
	labels := strings.Split(base, ".")
	switch {
	case strings.Contains(base, "*"):
		return "Domain name contains a wildcard that is not its first label"
	case len(base) > 230:
		return "Domain name is longer than 230 bytes"
	case len(labels) < 2:
		return "Domain name needs at least one dot"
	case strings.Trim(labels[len(labels)-1], "0123456789") == "":
		return "Domain name ends in a number: IP addresses are no DNS names"
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return fmt.Sprintf("Domain name has an empty, long or badly begun label %q", l)
		}
		if strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return "Domain name contains an invalid character"
		}
	}
	return ""
}
