package acmetest

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"
)

// Lookup returns the values of the TXT records at a name, each record's strings joined. It is called concurrently.
type Lookup func(ctx context.Context, name string) ([]string, error)

// Config is what a CA is like. The zero value (with Lookup) answers at once and has Let's Encrypt's lifetimes and habits:
// it reuses orders and authorizations, forgets orders after a week, and signs with one of two intermediates.
type Config struct {
	Lookup          Lookup   // what the CA sees in DNS from its first place
	Perspectives    []Lookup // and from others
	AllowedFailures int      // how many of the others may see something else

	Seed int64 // of all that is left to chance

	// Pace.
	Latency     time.Duration                      // of each request but for the directory (clients hold locks over that)
	MaxInFlight int                                // requests worked on at once, the others wait; 0 = no limit
	FrontDoor   map[string]Pace                    // by operation; over it the answer is 503 with Retry-After
	Fault       func(*http.Request, string) *Fault // asked for each request with its operation; nil = none

	// Accounts.
	EABRequired bool
	EABKeys     map[string][]byte // HMAC keys by key identifier
	BadNonces   float64           // the share of good nonces that is rejected

	// Orders.
	OrderLife       time.Duration // after that an order is unknown; 0 = 7 days
	AuthzReuse      time.Duration // how long a valid authorization serves later orders; 0 = 30 days, negative = not at all
	Limits          Limits
	MaxNames        int                          // 0 = 100
	Refuse          func(name string) string     // the reason why a name is refused, "" = it is not
	Replaces        func(certID string) *Problem // refuses an order's "replaces" before it is looked at
	Authorized      func(name string) bool       // authorizations that are valid from the start
	OrderRetryAfter time.Duration                // sent with orders that are processing; 0 = none

	// Validation.
	ValidationDelay func(name string) time.Duration // nil = none; negative = the challenge stays processing for ever
	AuthzRetryAfter time.Duration                   // sent with authorizations and challenges that are processing; 0 = none

	// Certificates.
	FinalizeDelay time.Duration      // how long an order stays processing although its certificate is signed
	Profiles      map[string]Profile // offered in the directory; none = no profiles
	Profile       string             // of orders that name none; "" = the first by name
	Validity      time.Duration      // where there are no profiles, or the profile does not say; 0 = 90 days
	Backdate      time.Duration      // how far notBefore lies in the past; 0 = 1 hour, negative = not at all
	Intermediates int                // how many there are, one is chosen at random for each certificate; 0 = 2
	Roots         int                // the first gives the default chain, the others the alternates; 0 = 2

	// Renewal information (RFC 9773).
	NoARI     bool                                                                                                 // the directory does not offer it
	ARIWindow func(cert *x509.Certificate) (start, end time.Time, explanationURL string, retryAfter time.Duration) // nil = as Let's Encrypt does
}

// Profile is one kind of certificate that an order may ask for.
type Profile struct {
	Description string
	Validity    time.Duration // 0 = Config.Validity
	MaxNames    int           // 0 = Config.MaxNames
	OrderLife   time.Duration // 0 = Config.OrderLife
	AuthzReuse  time.Duration // 0 = Config.AuthzReuse
	NoCN        bool          // no common name; otherwise the CSR's, or the first name that fits
}

// Limit is a token bucket: Count at once, refilled evenly so that it is full again after Per. Zero is no limit.
type Limit struct {
	Count int
	Per   time.Duration
}

// Limits are answered with 429, Retry-After and a problem that says which and until when. An order that replaces a
// certificate within its renewal window is exempt from all, a renewal of the same names from NewOrders and PerDomain.
type Limits struct {
	NewAccounts Limit // of all clients together
	NewOrders   Limit // per account
	PerDomain   Limit // certificates per last two labels of a name
	SameNames   Limit // certificates per exact set of names
	FailedAuthz Limit // failed validations per account and name: orders with that name are refused while it is spent
}

// Pace is a front door's: requests per second and how many more at once.
type Pace struct {
	PerSecond float64
	Burst     int
}

// Fault is what happens to one request. Delay comes first, then the first of the others that is set.
type Fault struct {
	Delay     time.Duration
	Drop      bool     // break the connection, do nothing
	LoseReply bool     // do the work, then break the connection
	Problem   *Problem // answer this, do nothing
	Status    int      // answer this status with Body as plain text, do nothing
	Body      string
}

// LetsEncrypt returns the configuration of a CA as demanding as Let's Encrypt is in August 2026.
func LetsEncrypt(lookup Lookup) Config {
	const day = 24 * time.Hour
	return Config{
		Lookup:          lookup,
		BadNonces:       0.02,
		AuthzReuse:      30 * day,
		OrderLife:       7 * day,
		OrderRetryAfter: 3 * time.Second,
		FinalizeDelay:   2 * time.Second,
		ValidationDelay: func(string) time.Duration { return 2 * time.Second },
		Profile:         "classic",
		Profiles: map[string]Profile{
			"classic":    {Description: "the default", Validity: 90 * day},
			"tlsserver":  {Description: "for servers", Validity: 45 * day, MaxNames: 25, OrderLife: 8 * time.Hour, AuthzReuse: 7 * time.Hour, NoCN: true},
			"shortlived": {Description: "six days", Validity: 160 * time.Hour, MaxNames: 25, OrderLife: 8 * time.Hour, AuthzReuse: 7 * time.Hour, NoCN: true},
		},
		Limits: Limits{
			NewAccounts: Limit{10, 3 * time.Hour},
			NewOrders:   Limit{300, 3 * time.Hour},
			PerDomain:   Limit{50, 7 * day},
			SameNames:   Limit{5, 7 * day},
			FailedAuthz: Limit{5, time.Hour},
		},
		FrontDoor: map[string]Pace{
			"newNonce": {20, 10}, "newAccount": {5, 15}, "newOrder": {300, 200}, "revokeCert": {10, 100},
			"renewalInfo": {1000, 100}, "directory": {40, 40},
		},
		Intermediates: 2,
		Roots:         3,
	}
}

func (c *Config) profile(name string) (string, Profile, bool) {
	if len(c.Profiles) == 0 {
		return "", Profile{}, name == ""
	}
	if name == "" {
		name = c.Profile
	}
	if name == "" {
		for k := range c.Profiles {
			if name == "" || k < name {
				name = k
			}
		}
	}
	p, ok := c.Profiles[name]
	return name, p, ok
}

func (c *Config) orderLife(p Profile) time.Duration {
	return first(p.OrderLife, c.OrderLife, 7*24*time.Hour)
}

func (c *Config) authzReuse(p Profile) time.Duration {
	return first(p.AuthzReuse, c.AuthzReuse, 30*24*time.Hour)
}

func (c *Config) validity(p Profile) time.Duration {
	return first(p.Validity, c.Validity, 90*24*time.Hour)
}

func (c *Config) maxNames(p Profile) int { return first(p.MaxNames, c.MaxNames, 100) }

func (c *Config) backdate() time.Duration { return max(0, first(c.Backdate, time.Hour)) }

// first returns the first value that was set.
func first[T comparable](values ...T) T {
	var zero T
	for _, v := range values {
		if v != zero {
			return v
		}
	}
	return zero
}
