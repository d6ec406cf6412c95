package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// answer runs a command with something on standard input.
func (d *desk) answer(stdin string, args ...string) result {
	d.t.Helper()
	cmd := exec.Command(certform, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = d.dir, append([]string{"PATH=/usr/bin:/bin", "HOME=" + d.dir}, d.env...), strings.NewReader(stdin)
	var out, errs lines
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		d.t.Fatal(err)
	}
	return result{args: args, code: cmd.ProcessState.ExitCode(), out: out.String(), err: errs.String()}
}

// Apply does nothing that nobody said yes to.
func TestApplyAsks(t *testing.T) {
	t.Parallel()
	w := newTown(t, "ask.test")
	d := newDesk(t)
	d.config(w.config(d), fleet("ask.test", 1))
	for _, stdin := range []string{"", "no\n", "y\n", "YES\n"} {
		if r := d.answer(stdin, "apply"); r.code != 1 {
			t.Errorf("answered %q: want exit 1: %s", stdin, r)
		}
	}
	if n := w.ca.Counts()["requests"]; n != 0 {
		t.Errorf("the CA was asked %d times before anybody said yes", n)
	}
	if r := d.answer("yes\n", "apply"); r.code != 0 {
		t.Errorf("answered yes: %s", r)
	}
	d.atRest()
	// Nothing to do asks nothing.
	if r := d.answer("", "apply"); r.code != 0 {
		t.Errorf("nothing to do: %s", r)
	}
}

// A saved plan is done as it was reviewed, or not at all.
func TestSavedPlan(t *testing.T) {
	t.Parallel()
	w := newTown(t, "plan.test")
	d := newDesk(t)
	d.config(w.config(d), fleet("plan.test", 2))

	d.want(2, "plan", "-out=first.plan", "-detailed-exitcode")
	if n := w.ca.Counts()["requests"]; n != 0 {
		t.Errorf("plan asked the CA %d times", n)
	}
	d.want(0, "apply", "first.plan")
	d.atRest()
	d.want(0, "apply", "first.plan").says(t, "already applied")
	if n := w.ordersMade(); n != 2 {
		t.Fatalf("%d orders, want 2", n)
	}

	// The world moves on between plan and apply.
	d.want(0, "plan", "-out=replace.plan", "-replace=h[\"0\"]")
	d.apply("-replace=h[\"0\"]")
	d.want(5, "apply", "replace.plan").says(t, `certificate.h["0"]`, "plan again")
	if n := w.ordersMade(); n != 3 {
		t.Errorf("%d orders, want 3: a stale plan was done", n)
	}
	d.atRest()

	// Another configuration is another plan.
	d.want(0, "plan", "-out=old.plan", "-replace=h[\"1\"]")
	d.config(w.config(d), fleet("plan.test", 3))
	d.want(5, "apply", "old.plan").says(t, "another configuration")
	if n := w.ordersMade(); n != 3 {
		t.Errorf("%d orders, want 3", n)
	}

	// One of two is stale: the other is done.
	d.config(w.config(d), fleet("plan.test", 2))
	d.want(0, "plan", "-out=both.plan", "-replace=h")
	d.apply("-replace=h[\"0\"]")
	d.want(5, "apply", "both.plan")
	if n := w.issuedFor("h1.plan.test"); n != 2 {
		t.Errorf("%d certificates for h1, want 2: what was not stale should be done", n)
	}
	if n := w.issuedFor("h0.plan.test"); n != 3 {
		t.Errorf("%d certificates for h0, want 3", n)
	}
	d.atRest()

	// What could not be looked at is not done.
	served := d.path("tls/h-0")
	if err := os.Rename(served, served+".aside"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("h-0", served); err != nil {
		t.Fatal(err)
	}
	d.want(0, "plan", "-out=unread.plan")
	d.want(3, "apply", "unread.plan").says(t, `certificate.h["0"]`)
	d.want(3, "apply", "unread.plan")

	d.write("broken.plan", "{")
	d.want(1, "apply", "broken.plan")
	d.want(1, "apply", "none.plan")
}

// Apply -expect goes on only if the plan made now is the one that was reviewed.
func TestExpect(t *testing.T) {
	t.Parallel()
	w := newTown(t, "expect.test")
	d := newDesk(t)
	d.config(w.config(d), fleet("expect.test", 1))
	var p struct {
		FormatVersion string `json:"format_version"`
		ID            string `json:"plan_id"`
		Digest        string `json:"digest"`
	}
	d.want(0, "plan", "-out=a.plan")
	if err := json.Unmarshal(d.read("a.plan"), &p); err != nil || p.FormatVersion == "" || p.ID == "" {
		t.Fatalf("the saved plan: %v, %+v", err, p)
	}
	d.want(5, "apply", "-auto-approve", "-expect=0000-0000").says(t, p.ID)
	if n := w.ca.Counts()["requests"]; n != 0 {
		t.Errorf("the CA was asked %d times for a plan that nobody reviewed", n)
	}
	d.apply("-expect=" + p.ID)
	d.want(5, "apply", "-auto-approve", "-expect="+p.ID)
}

// An error of the configuration touches and creates nothing.
func TestBadConfigurationCreatesNothing(t *testing.T) {
	t.Parallel()
	w := newTown(t, "bad.test")
	d := newDesk(t)
	d.config(w.config(d), fleet("bad.test", 1), `certificate "other" {
  names = ["x.bad.test"]
  sinks = [sink.file.wep]
}`, `sink "fyle" "y" {}`)
	for _, args := range [][]string{{"validate"}, {"plan"}, {"apply", "-auto-approve"}} {
		r := d.want(1, args...)
		r.says(t, "sink.file.web", "fyle", "certform.hcl")
	}
	d.empty(".certform", "tls")
	// A name in no zone is found by the plan.
	d.config(w.config(d), fleet("elsewhere.test", 1))
	for _, args := range [][]string{{"plan"}, {"apply", "-auto-approve"}} {
		d.want(1, args...).says(t, "h0.elsewhere.test")
	}
	d.empty(".certform", "tls")
	if n := w.ca.Counts()["requests"]; n != 0 {
		t.Errorf("the CA was asked %d times", n)
	}
}

// empty asserts that files do not exist.
func (d *desk) empty(names ...string) {
	d.t.Helper()
	for _, n := range names {
		if d.exists(n) {
			d.t.Errorf("%s was made", n)
		}
	}
}
