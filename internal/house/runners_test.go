package house_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/doom"
	"github.com/certform/certform/internal/house"
	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/sinks/sinktest"
)

// refresh is what upkeep does first: another process asks the CA for renewal
// windows.
func refresh(t *testing.T, h *house.House) {
	p, err := h.Start(0)
	if err != nil {
		t.Error(err)
	}
	defer p.End()
	records, err := p.Survey.Records(p.Context())
	if err != nil {
		t.Error(err)
	}
	p.Engine.Refresh(p.Context(), h.Wants, records)
}

// TestARefreshDisturbsNobody: the renewal window of a certificate that another
// runner is delivering is not written into its record.
func TestARefreshDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		run(t, h)
		time.Sleep(day)
		h.Sink.Set("site", nil)
		doors := h.Sink.Fault
		h.Sink.Fault = func(ctx context.Context, op sinktest.Op, target string) error {
			if op == sinktest.Begin {
				refresh(t, h)
			}
			return doors(ctx, op, target)
		}
		if r := run(t, h); r.Code() != 0 {
			t.Errorf("%+v", r.Outcomes)
		}
		if h.Sink.Uses("site") == nil || record(t, h, "site").Owner != "" {
			t.Error("not at rest")
		}
	})
}

// busy is a store in which somebody else is quicker at the first write of a
// record.
type busy struct {
	state.Store
	first *func()
}

func (b busy) Put(ctx context.Context, e state.Entry) (state.Revision, error) {
	if f := *b.first; f != nil && strings.HasPrefix(e.Key, state.Certificates) {
		*b.first = nil
		f()
	}
	return b.Store.Put(ctx, e)
}

// TestForestalled: a record that somebody wrote just before it could be claimed
// is read again and decided on anew.
func TestForestalled(t *testing.T) {
	for name, other := range map[string]func(t *testing.T, h *house.House){
		"by one who is done":           func(t *testing.T, h *house.House) { run(t, h) },
		"by one who was passing by":    refresh,
		"by one whose work was undone": func(t *testing.T, h *house.House) { run(t, h); h.Sink.Set("site", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := house.New(t, house.Options{})
				defer h.Close()
				h.Want("site", "example.com")
				run(t, h)
				time.Sleep(day)
				h.Sink.Set("site", nil)
				p, err := h.Start(0)
				if err != nil {
					t.Fatal(err)
				}
				defer p.End()
				first := func() { other(t, h) }
				p.Engine.Store = busy{p.Engine.Store, &first}
				if r, err := p.Apply(); err != nil || r.Code() != 0 {
					t.Errorf("%v %+v", err, r.Outcomes)
				}
				atRest(t, h, p, "never")
				if n := h.CA.Counts()["orders"]; n != 1 {
					t.Errorf("%d orders", n)
				}
			})
		})
	}
}

// TestRenamedIssuer: windows are asked for at the account, whatever its block is
// called now, and never at another CA under the old name.
func TestRenamedIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		run(t, h)
		time.Sleep(2 * day)
		p, err := h.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		defer p.End()
		p.Engine.Issuers = map[string]issue.Issuer{"issuer.acme.renamed": p.Engine.Issuers["issuer.acme.test"]}
		records, err := p.Survey.Records(p.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.Engine.Refresh(p.Context(), h.Wants, records)
		if r := record(t, h, "site").Renewal; r == nil || !r.Next.After(time.Now()) {
			t.Errorf("its window was not asked for: %+v", r)
		}
	})
}

// TestWhatComesBack: a certificate that left the configuration and comes back
// is kept like any other, and is forgotten again when it leaves again.
func TestWhatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		wants := h.Wants
		run(t, h)
		for i := range 3 {
			h.Wants = nil
			r := run(t, h)
			if len(r.Outcomes) != 1 || r.Code() != 0 || record(t, h, "site").Gone.IsZero() {
				t.Fatalf("round %d: it was not forgotten: %+v", i, r.Outcomes)
			}
			h.Wants = wants
			h.Sink.Set("site", nil)
			run(t, h)
			if r := record(t, h, "site"); !r.Gone.IsZero() || apply.Due(r).IsZero() {
				t.Fatalf("round %d: it came back, and its record says that it is gone", i)
			}
		}
		if n := h.CA.Counts()["orders"]; n != 1 {
			t.Errorf("%d orders", n)
		}
	})
}

// TestFiveRunnersAndOneOrder: an order that a killed process left under way is
// gone on with by one of five, and paid for once.
func TestFiveRunnersAndOneOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{Host: dnstest.HostConfig{Propagation: 5 * time.Second}})
		defer h.Close()
		h.Want("site", "example.com")
		p, err := h.Begin(&doom.Doom{When: func(door string) bool { return strings.HasPrefix(door, "before change") }})
		if err == nil {
			_, err = p.Apply()
		}
		if p.End(); err != nil || record(t, h, "site").Work == nil {
			t.Fatal("it was not killed with an order under way", err)
		}
		finalized := 0
		h.CA.Configure(func(c *acmetest.Config) {
			c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
				if op == "finalize" {
					finalized++
				}
				return nil
			}
		})
		ended := make(chan apply.Report)
		for range 5 {
			go func() {
				p, err := h.Start(0)
				defer p.End()
				if err != nil {
					t.Error(err)
				}
				r, _ := p.Apply()
				ended <- r
			}()
		}
		for range 5 {
			for _, o := range (<-ended).Outcomes {
				if o.Status != apply.Done && o.Status != apply.Held {
					t.Errorf("%s: %v", o.Status, o.Err)
				}
			}
		}
		if n := h.Host.Stats().Calls["change"]; finalized != 1 || n != 2 {
			t.Errorf("finalized %d times, %d changes in DNS", finalized, n)
		}
	})
}
