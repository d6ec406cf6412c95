package route53_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/route53"
	"github.com/certform/certform/providers/route53/route53test"
)

// A change that is accepted is made, whatever GetChange says: whoever may not
// ask, or waits too long, has lost nothing.
func TestGetChangeIsAHint(t *testing.T) {
	t.Parallel()
	for about, conf := range map[string]route53test.Config{
		"it may not be asked": {Lacks: []string{"route53:GetChange"}, Propagation: time.Hour},
		"it stays PENDING":    {Propagation: time.Hour},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			s := open(t, conf, func(s *route53.Spec) { s.WaitForSync, s.MaxWait = true, time.Second })
			if err := s.p.Change(t.Context(), "example.com.", one("x", "v"), nil); err != nil {
				t.Error(err)
			}
			if got := s.TXT("x.example.com"); len(got) != 1 {
				t.Errorf("held %q", got)
			}
		})
	}
}

// A zone that is still busy with the change before is tried again, here or by
// the broker.
func TestPriorRequest(t *testing.T) {
	t.Parallel()
	for tries, busy := range map[int]time.Duration{5: 50 * time.Millisecond, 1: time.Hour} {
		s := open(t, route53test.Config{Busy: busy}, func(s *route53.Spec) { s.MaxRetries = tries })
		if err := s.p.Change(t.Context(), "example.com.", one("a", "v"), nil); err != nil {
			t.Fatal(err)
		}
		err := s.p.Change(t.Context(), "example.com.", one("b", "v"), nil)
		if s.Stats().Prior == 0 {
			t.Error("nothing was refused")
		}
		if _, again := world.RetryAt(err); (err != nil) != (tries == 1) || !again {
			t.Errorf("%d tries: %v, again %v", tries, err, again)
		}
	}
}

// An UPSERT counts twice: 600 values are two batches of them, and one of
// CREATEs.
func TestUpsertCountsTwice(t *testing.T) {
	t.Parallel()
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	fake := route53test.New(n, route53test.Config{})
	fake.AddZone("ZPUBLIC", "example.com", false, n.AddZone("example.com"))
	var posts atomic.Int32
	s := spec(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An imitation that takes no CREATE of what once was there.
		if r.Method == http.MethodPost && posts.Add(1) <= 2 {
			w.Header().Set("Content-Type", "text/xml")
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `<InvalidChangeBatch xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Messages><Message>`+
				`Tried to create resource record set [name='x.example.com.', type='TXT'] but it already exists</Message></Messages></InvalidChangeBatch>`)
			return
		}
		fake.ServeHTTP(w, r)
	})))
	p, err := s.Open(t.Context(), opener())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.(providers.Changer).Change(t.Context(), "example.com.", txts(600, "h%d", "v%d"), nil); err != nil {
		t.Fatal(err)
	}
	if st := fake.Stats(); st.Calls["POST rrset"] != 2 || st.Invalid > 0 || st.Largest != 500 {
		t.Errorf("%+v", st)
	}
}
