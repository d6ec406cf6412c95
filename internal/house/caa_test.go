package house_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/house"
)

// A CA that CAA records forbid is not asked, its failure counts like any other,
// and the fallback has its turn by the same rule. Others are not touched.
func TestForbiddenIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{Spare: func(*acmetest.Config) {}})
		defer h.Close()
		h.Net.Zone("example.com").Add(`a CAA 0 issue "spare.test"`, `none CAA 0 issue ";"`)
		h.Want("a", "a.example.com")
		h.Want("b", "b.example.com")
		h.Want("none", "none.example.com")
		apply := func() map[string]string {
			p, err := h.Start(0)
			defer p.End()
			if err != nil {
				t.Fatal(err)
			}
			report, err := p.Apply()
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]string{}
			for _, o := range report.Outcomes {
				out[o.Address] = string(o.Status)
				if o.Err != nil {
					out[o.Address] += " " + o.Err.Error()
				}
			}
			return out
		}
		first := apply()
		if !strings.Contains(first["certificate.a"], `issuer.acme.test may not issue for a.example.com: a.example.com. CAA 0 issue "spare.test"`) ||
			!strings.Contains(first["certificate.none"], "nobody may issue") || first["certificate.b"] != "done" {
			t.Errorf("the first run: %v", first)
		}
		if o, s := h.CA.Counts()["orders"], h.Spare.Counts()["orders"]; o != 1 || s != 0 {
			t.Errorf("%d orders, %d of the spare CA", o, s)
		}
		time.Sleep(20 * time.Minute)
		second := apply()
		if second["certificate.a"] != "done" || !strings.Contains(second["certificate.none"], "issuer.acme.spare may not issue") {
			t.Errorf("after 20 minutes: %v", second)
		}
		if o, s := h.CA.Counts()["orders"], h.Spare.Counts()["orders"]; o != 1 || s != 1 {
			t.Errorf("after 20 minutes: %d orders, %d of the spare CA", o, s)
		}
		if left := h.Net.AllTXT(); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
	})
}
