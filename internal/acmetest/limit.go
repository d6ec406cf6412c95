package acmetest

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"
)

// limiter keeps token buckets by the moment at which each is full again (GCRA).
type limiter struct {
	mu   sync.Mutex
	full map[string]time.Time
}

// wait says how long until the bucket gives a token, 0 = now; with spend it is taken then.
func (l *limiter) wait(key string, lim Limit, spend bool) time.Duration {
	if lim.Count <= 0 {
		return 0
	}
	each := lim.Per / time.Duration(lim.Count)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	full := l.full[key]
	if full.Before(now) {
		full = now
	}
	if over := full.Add(each).Sub(now) - each*time.Duration(lim.Count); over > 0 {
		return over
	}
	if spend {
		if l.full == nil {
			l.full = map[string]time.Time{}
		}
		l.full[key] = full.Add(each)
	}
	return 0
}

// spend takes a token even if there is none: what happened, happened.
func (l *limiter) spend(key string, lim Limit) {
	if lim.Count <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	full := l.full[key]
	if now := time.Now(); full.Before(now) {
		full = now
	}
	if l.full == nil {
		l.full = map[string]time.Time{}
	}
	l.full[key] = full.Add(lim.Per / time.Duration(lim.Count))
}

func limited(wait time.Duration, lim Limit, format string, args ...any) *Problem {
	until := time.Now().Add(wait).UTC().Format("2006-01-02 15:04:05 MST")
	p := problem(http.StatusTooManyRequests, "rateLimited", "%s in the last %s, retry after %s: see https://ca.test/docs/rate-limits",
		fmt.Sprintf(format, args...), lim.Per, until)
	p.RetryAfter = max(wait, time.Second)
	return p
}

func (l *limiter) account(lim Limit) *Problem {
	if w := l.wait("accounts", lim, true); w > 0 {
		return limited(w, lim, "too many registrations (%d) from this IP address", lim.Count)
	}
	return nil
}

// order checks what a new order must pass and takes what it costs; of several limits the furthest is reported.
func (l *limiter) order(lim Limits, account string, names []string, renewal bool) *Problem {
	var worst *Problem
	hit := func(w time.Duration, lim Limit, format string, args ...any) {
		if w > 0 && (worst == nil || w > worst.RetryAfter) {
			worst = limited(w, lim, format, args...)
		}
	}
	for _, n := range names {
		hit(l.wait("failed "+account+" "+n, lim.FailedAuthz, false), lim.FailedAuthz,
			"too many failed authorizations (%d) for %q", lim.FailedAuthz.Count, n)
	}
	set := strings.Join(names, ",")
	hit(l.wait("set "+set, lim.SameNames, false), lim.SameNames,
		"too many certificates (%d) already issued for this exact set of identifiers", lim.SameNames.Count)
	if !renewal {
		for _, d := range domains(names) {
			hit(l.wait("domain "+d, lim.PerDomain, false), lim.PerDomain,
				"too many certificates (%d) already issued for %q", lim.PerDomain.Count, d)
		}
		hit(l.wait("orders "+account, lim.NewOrders, worst == nil), lim.NewOrders,
			"too many new orders (%d) from this account", lim.NewOrders.Count)
	}
	return worst
}

// certificate takes what an issued certificate costs.
func (l *limiter) certificate(lim Limits, names []string, renewal bool) {
	l.spend("set "+strings.Join(names, ","), lim.SameNames)
	if !renewal {
		for _, d := range domains(names) {
			l.spend("domain "+d, lim.PerDomain)
		}
	}
}

func (l *limiter) failed(lim Limits, account, name string) {
	l.spend("failed "+account+" "+name, lim.FailedAuthz)
}

// frontDoor is the pace before the CA's own limits.
func (l *limiter) frontDoor(c *Config, op string) *Problem {
	pace, ok := c.FrontDoor[op]
	if !ok || pace.PerSecond <= 0 {
		return nil
	}
	count := max(1, pace.Burst)
	lim := Limit{count, time.Duration(math.Ceil(float64(count) / pace.PerSecond * float64(time.Second)))}
	if w := l.wait("door "+op, lim, true); w > 0 {
		p := problem(http.StatusServiceUnavailable, "rateLimited", "Service busy; retry later.")
		p.RetryAfter = max(w, time.Second)
		return p
	}
	return nil
}

// domains returns the last two labels of each name, once.
func domains(names []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, n := range names {
		labels := strings.Split(n, ".")
		d := strings.Join(labels[max(0, len(labels)-2):], ".")
		if !seen[d] {
			seen[d] = true
			out = append(out, d)
		}
	}
	return out
}
