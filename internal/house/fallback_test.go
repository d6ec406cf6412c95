package house_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/house"
)

// strike makes the first CA refuse every order, or take them again, and counts
// how often it is asked for one.
func strike(h *house.House, yes bool) (asked *atomic.Int64) {
	asked = new(atomic.Int64)
	h.CA.Configure(func(c *acmetest.Config) {
		c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
			if op == "newOrder" {
				asked.Add(1)
			}
			if yes && op == "newOrder" {
				return &acmetest.Fault{Problem: &acmetest.Problem{Type: "rejectedIdentifier", Detail: "on strike", Status: 400}}
			}
			return nil
		}
	})
	return asked
}

// TestAFallbackInTime: with nothing live the second issuer is asked once the
// first has failed for 15 minutes, and not when the pauses of the first happen
// to end.
func TestAFallbackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{Spare: func(*acmetest.Config) {}})
		defer h.Close()
		asked := strike(h, true)
		h.Want("site", "example.com")
		k := keep(t, h, time.Hour)
		defer k.End()
		time.Sleep(14 * time.Minute)
		if n := h.Spare.Counts()["orders"]; n > 0 {
			t.Errorf("the fallback was asked after 14 minutes: %d orders", n)
		}
		time.Sleep(3 * time.Minute)
		if n := len(h.Spare.Issued()); n != 1 || h.Sink.Uses("site") == nil {
			t.Errorf("after 17 minutes the fallback has issued %d", n)
		}
		if n := asked.Load(); n != 3 {
			t.Errorf("the first was asked %d times: the pauses are 1 and 10 minutes", n)
		}
	})
}

// TestAFallbackBeforeTheEnd: with one live the fallback waits until little life
// is left, and does not wait for the pauses of the first then.
func TestAFallbackBeforeTheEnd(t *testing.T) {
	for _, life := range []time.Duration{24 * time.Hour, 30 * day} {
		t.Run(life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := house.New(t, house.Options{CA: func(c *acmetest.Config) { c.Validity, c.Backdate, c.NoARI = life, -1, true }, Spare: func(*acmetest.Config) {}})
				defer h.Close()
				h.Want("site", "example.com")
				k := keep(t, h, time.Hour)
				defer k.End()
				time.Sleep(time.Minute)
				end := h.Sink.Uses("site").Chain.Leaf().NotAfter
				strike(h, true)
				time.Sleep(time.Until(end.Add(-life/5 - life/50)))
				if n := h.Spare.Counts()["orders"]; n > 0 {
					t.Errorf("the fallback was asked early: %d orders", n)
				}
				time.Sleep(time.Until(end.Add(-life/5 + life/50)))
				if n := len(h.Spare.Issued()); n != 1 || !h.Sink.Uses("site").Chain.Leaf().NotAfter.After(end) {
					t.Errorf("with little life left the fallback has issued %d", n)
				}
			})
		})
	}
}

// TestADayOutlivesItsCA: a CA that fails for a few hours costs no certificate
// of a day.
func TestADayOutlivesItsCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{CA: func(c *acmetest.Config) { c.Validity, c.Backdate, c.NoARI = day, -1, true }})
		defer h.Close()
		h.Want("site", "example.com")
		k := keep(t, h, time.Hour)
		defer k.End()
		time.Sleep(11 * time.Hour)
		strike(h, true)
		time.Sleep(6 * time.Hour)
		strike(h, false)
		time.Sleep(4 * time.Hour)
		if left := time.Until(h.Sink.Uses("site").Chain.Leaf().NotAfter); left < day/2 {
			t.Errorf("it has %v left", left)
		}
	})
}

// TestDeathWithAFallback: killed while the fallback has the order, the next run
// goes on with that one, also when the first issuer is well again.
func TestDeathWithAFallback(t *testing.T) {
	for _, well := range []bool{false, true} {
		died := true
		for at := 1; died && !t.Failed(); at++ {
			synctest.Test(t, func(t *testing.T) {
				h := house.New(t, house.Options{Spare: func(*acmetest.Config) {}})
				defer h.Close()
				strike(h, true)
				h.Want("site", "example.com", "*.example.com")
				if r := run(t, h); r.Code() != 3 {
					t.Fatalf("%+v", r.Outcomes)
				}
				time.Sleep(16 * time.Minute)
				first, err := h.Start(at)
				if err == nil {
					_, err = first.Apply()
				}
				died = first.Doom.Dead()
				_, where := first.Doom.Passed()
				first.End()
				if !died && err != nil {
					t.Fatal(err)
				}
				w := record(t, h, "site").Work
				began := w != nil && w.Issuer == "issuer.acme.spare"
				strike(h, !well)
				second, err := h.Start(0)
				defer second.End()
				if err != nil {
					t.Fatal(err)
				}
				if r, err := second.Apply(); err != nil || r.Code() != 0 {
					t.Errorf("died %s: the next run: %v %+v", where, err, r.Outcomes)
				}
				atRest(t, h, second, where)
				here, there := h.CA.Counts()["orders"], h.Spare.Counts()["orders"]
				if n := len(h.CA.Issued()) + len(h.Spare.Issued()); n != 1 || here+there > 2 || began && here > 0 {
					t.Errorf("died %s: %d certificates, %d and %d orders", where, n, here, there)
				}
			})
		}
	}
}
