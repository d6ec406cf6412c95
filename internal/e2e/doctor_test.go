package e2e

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certform/certform/internal/rig"
)

// Doctor at a real name server: a canary lives and dies, a key that is no key
// is told in the server's own words, and a daemon tells of it too.
func TestDoctor(t *testing.T) {
	t.Parallel()
	ns := rig.BIND(t, rig.BINDConfig{Zones: []string{"doc.test"}})
	ns.Add(t, "doc.test", `_acme-challenge.www.doc.test. 60 IN TXT "foreign"`)
	w := townAt(t, ns.Nameserver, "doc.test")
	d := newDesk(t)
	w.config(d)
	d.config(w.issuer("ca"), w.dns("ns", "doc.test"), w.zoneBlocks(), `sink "file" "web" {
  directory = "tls/${certificate.name}"
}
certificate "site" {
  names = ["www.doc.test"]
  sinks = [sink.file.web]
}
`)
	before := w.zone("doc.test")
	d.want(0, "doctor").says(t, `a TXT value at _acme-challenge.www.doc.test is not ours and is left alone: "foreign"`)
	d.want(0, "doctor", "-write").says(t, "zone doc.test: a canary was added in", "seen at 1 server")
	d.want(0, "doctor", "-write", "-json").says(t, `"type":"checked"`, `"type":"doctor_summary"`)
	if after := w.zone("doc.test"); !slices.Equal(before, after) {
		t.Errorf("the zone held %q and holds %q", before, after)
	}
	good := string(d.read("tsig.key"))
	bad := base64.StdEncoding.EncodeToString([]byte("a canary that is no key of BIND's"))
	d.write("tsig.key", bad+"\n")
	d.want(2, "doctor", "-write").says(t, "a canary did not live", "BADSIG")

	addr := rig.Addr(t)
	daemon := d.start("run", "-canary=24h", "-listen="+addr)
	metric := func(want string) {
		until(t, 20*time.Second, "the metrics say "+want, func() error {
			r, err := http.Get("http://" + addr + "/metrics")
			if err != nil {
				return err
			}
			defer r.Body.Close()
			body, err := io.ReadAll(r.Body)
			if err == nil && !strings.Contains(string(body), want) {
				err = fmt.Errorf("not in\n%s", body)
			}
			return err
		})
	}
	metric(`certform_canary_alive{provider="dns.rfc2136.ns",zone="doc.test"} 0`)
	d.write("tsig.key", good)
	daemon.signal(syscall.SIGHUP)
	metric(`certform_canary_alive{provider="dns.rfc2136.ns",zone="doc.test"} 1`)
	daemon.signal(syscall.SIGTERM)
	daemon.wait()
	d.want(0, "doctor", "-write")
	if got := ns.TXT(t, "_acme-challenge.certform-doctor.doc.test"); got != nil {
		t.Errorf("canaries are left: %q", got)
	}
	secrets := canaries{}
	secrets.secret("the TSIG key", ns.TSIG.Secret)
	secrets.secret("the bad key", bad)
	secrets.searchDesk(t, d, "tsig.key", "tls/*/*/privkey.pem")
}

// A name server tells its time in every signed answer, also where it refuses
// ours for its time.
func TestDoctorClock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead time.Duration
		says  []string
	}{
		{2 * time.Minute, []string{"2m0s ahead of that of this machine"}},
		{-time.Hour, []string{"BADTIME", "1h0m0s behind that of this machine"}},
	} {
		ns := rig.Knot(t, rig.KnotConfig{Zones: []string{"clock.test"}, Ahead: c.ahead})
		w := townAt(t, ns.Nameserver, "clock.test")
		d := newDesk(t)
		w.config(d)
		d.config(w.issuer("ca"), w.dns("ns", "clock.test"), w.zoneBlocks())
		d.want(2, "doctor", "-write").says(t, append(c.says, "the clock of "+ns.Addr)...)
	}
}
