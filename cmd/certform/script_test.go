package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts run certform: this very binary, under its name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"certform": main, "noisy": noisy})
}

// TestScripts runs testdata/script/*.txtar, each in a town of its own. A
// script has, besides what testscript gives it:
//
//	exits N certform ARGS...   run it and insist on its exit code
//	scrub FILE stdout|stderr   write that without what differs from run to run
//	endpoint DIR               serve the pair of DIR; $PORT is where
//	hold, release              let the CA look at DNS no more, and again
//	orders N, issued N         wait until the CA has made so many
//	interrupted N certform ... run it, interrupt it once the CA has an order until it
//	                           ends, insist on its exit code; stderr.txt has its words
//	until RE certform ARGS...  run it until its output has a match
//	host ok|refuse             what the DNS host does with changes
//	ndjson stdout              insist that every line is one JSON object with a type
//	planid stdout              read a plan's id; $PLAN has it
//	foreign                    put somebody's TXT value at _acme-challenge.www.example.com
//	clean                      insist that no TXT value is left in DNS
//	canaries TEXT...           insist that no output and no file but those of
//	                           secrets/ and places holds a text
//
// and a town.hcl with an issuer and a dns block for example.com.
func TestScripts(t *testing.T) {
	towns := &sync.Map{} // by working directory
	of := func(ts *testscript.TestScript) *town {
		v, _ := towns.Load(ts.Getenv("WORK"))
		return v.(*town)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			w, err := newTown(env)
			if err == nil {
				towns.Store(env.WorkDir, w)
			}
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    func(ts *testscript.TestScript, _ bool, args []string) { of(ts).exits(ts, args) },
			"scrub":    func(ts *testscript.TestScript, _ bool, args []string) { of(ts).scrub(ts, args) },
			"endpoint": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).endpoint(ts, args) },
			"hold":     func(ts *testscript.TestScript, _ bool, _ []string) { of(ts).gate.close() },
			"release":  func(ts *testscript.TestScript, _ bool, _ []string) { of(ts).gate.open() },
			"orders":   func(ts *testscript.TestScript, _ bool, args []string) { of(ts).await(ts, args, "newOrder") },
			"issued": func(ts *testscript.TestScript, _ bool, args []string) {
				if got := strconv.Itoa(len(of(ts).ca.Issued())); got != args[0] {
					ts.Fatalf("%s certificates were issued", got)
				}
			},
			"interrupted": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).interrupted(ts, args) },
			"until":       func(ts *testscript.TestScript, _ bool, args []string) { of(ts).until(ts, args) },
			"host":        func(ts *testscript.TestScript, _ bool, args []string) { of(ts).setHost(args[0]) },
			"foreign": func(ts *testscript.TestScript, _ bool, _ []string) {
				of(ts).net.Zone("example.com").Add(`_acme-challenge.www TXT "somebody's"`)
			},
			"record": func(ts *testscript.TestScript, _ bool, args []string) {
				of(ts).net.Zone("example.com").Add(strings.Join(args, " "))
			},
			"clean":  func(ts *testscript.TestScript, _ bool, _ []string) { of(ts).clean(ts) },
			"ndjson": func(ts *testscript.TestScript, _ bool, args []string) { ndjson(ts, args[0]) },
			"planid": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv("PLAN", regexp.MustCompile(`"plan_id":"([^"]*)"`).FindStringSubmatch(ts.ReadFile(args[0]))[1])
			},
			"canaries": func(ts *testscript.TestScript, _ bool, args []string) { of(ts).canaries(ts, args) },
		},
	})
}

// until runs a command again and again until its output has what is looked for.
func (w *town) until(ts *testscript.TestScript, args []string) {
	find := regexp.MustCompile("(?m)" + args[0])
	deadline := time.Now().Add(20 * time.Second)
	for {
		w.run(ts, args[1:])
		if find.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("it still does not say %q", args[0])
		}
		// Another process works; there is nothing to be told by.
		<-time.After(50 * time.Millisecond)
	}
}

// exits runs a command and insists on its exit code.
func (w *town) exits(ts *testscript.TestScript, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits N command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := w.run(ts, args[1:]); got != want {
		ts.Fatalf("it exits %d, not %d", got, want)
	}
}

// run runs a command, keeps what it says, and returns its exit code.
func (w *town) run(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	w.said.WriteString(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	return 0
}

// What differs from run to run, and what stands for it.
var scrubs = []struct {
	find *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`/(directory|order)/[A-Za-z0-9_-]+`), "/$1/ID"},
	{regexp.MustCompile(`"(min|max)?took_seconds":[0-9.e-]+`), `"took_seconds":0`},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d`), "DAY"},
	{regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `), "CLOCK "},
	{regexp.MustCompile(` \(\d+\.\d s\)`), ""},
	{regexp.MustCompile(`in \d+\.\d s`), "in N s"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "SHA256"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "SHA"},
	{regexp.MustCompile(`\b[0-9a-f]{4}-[0-9a-f]{4}\b`), "PLAN"},
	{regexp.MustCompile(`pid \d+ on [^\s;,)"]+`), "pid N on HOST"},
	{regexp.MustCompile(`"lineage":"[A-Z0-9]+"`), `"lineage":"LINEAGE"`},
	{regexp.MustCompile(`"serial":"[0-9a-f]+"`), `"serial":"SERIAL"`},
	{regexp.MustCompile(`Test (Root|Intermediate) \d+ [a-z0-9]+`), "CA"},
}

// scrub writes an output to a file, with words for what differs from run to run.
func (w *town) scrub(ts *testscript.TestScript, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: scrub FILE stdout|stderr")
	}
	text := strings.ReplaceAll(ts.ReadFile(args[1]), ts.Getenv("WORK"), "$WORK")
	for _, s := range scrubs {
		text = s.find.ReplaceAllString(text, s.with)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// await waits until the CA has counted so many.
func (w *town) await(ts *testscript.TestScript, args []string, what string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	deadline := time.Now().Add(20 * time.Second)
	for w.ca.Counts()[what] < want {
		if time.Now().After(deadline) {
			ts.Fatalf("%d %s: %v", want, what, w.ca.Counts())
		}
		// Another process works; there is nothing to be told by.
		<-time.After(10 * time.Millisecond)
	}
}

// interrupted runs a command, waits until the CA has an order of it, sends
// SIGINT again and again (two that come at once are one) until it ends, and
// insists on its exit code.
func (w *town) interrupted(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TZ", "CA_URL", "CA_FILE", "DNS_URL", "DNS_TOKEN", "NAMESERVER", "PORT"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	ts.Check(cmd.Start())
	w.await(ts, []string{"1"}, "newOrder")
	ended := make(chan struct{})
	go func() { defer close(ended); cmd.Wait() }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for running := true; running; {
		select {
		case <-ended:
			running = false
		case <-tick.C:
			cmd.Process.Signal(os.Interrupt)
		case <-deadline:
			cmd.Process.Kill()
			<-ended
			ts.Fatalf("it does not end:\n%s", said.String())
		}
	}
	w.said.Write(said.Bytes())
	ts.Check(os.WriteFile(ts.MkAbs("stderr.txt"), said.Bytes(), 0o644))
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("it exits %d, not %d:\n%s", got, want, said.String())
	}
}

func (w *town) clean(ts *testscript.TestScript) {
	if left := w.net.AllTXT(); len(left) > 0 {
		ts.Fatalf("left in DNS: %v", left)
	}
}

// ndjson insists on JSON lines that say what they are, in types that
// docs/events.md lists.
func ndjson(ts *testscript.TestScript, file string) {
	page, err := os.ReadFile("../../docs/events.md")
	ts.Check(err)
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(string(page), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			listed[strings.Trim(name, "`")] = true
		}
	}
	text := ts.ReadFile(file)
	if text == "" {
		ts.Fatalf("it is empty")
	}
	for l := range strings.Lines(text) {
		var v struct{ Type string }
		if err := json.Unmarshal([]byte(l), &v); err != nil || v.Type == "" && !strings.Contains(l, `"version"`) {
			ts.Fatalf("no JSON object with a type: %v\n%s", err, l)
		}
		if v.Type != "" && !listed[v.Type] {
			ts.Fatalf("docs/events.md has no %q", v.Type)
		}
	}
}

// canaries insists that texts are in no output and in no file that is not
// meant to hold them. A text of the form @FILE is what the lines of a PEM file
// hold.
func (w *town) canaries(ts *testscript.TestScript, args []string) {
	var texts []string
	for _, a := range args {
		file, ok := strings.CutPrefix(a, "@")
		if !ok {
			texts = append(texts, a)
			continue
		}
		for l := range strings.Lines(ts.ReadFile(file)) {
			if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "-----") {
				texts = append(texts, l)
			}
		}
	}
	check := func(where string, data []byte) {
		for _, c := range texts {
			if bytes.Contains(data, []byte(c)) {
				ts.Fatalf("%s holds %q", where, c)
			}
		}
	}
	check("what certform wrote", w.said.Bytes())
	root := ts.Getenv("WORK")
	ts.Check(filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && (rel == "secrets" || rel == "tls" || strings.HasPrefix(rel, ".tls") || strings.HasPrefix(rel, "tls.")) {
			return filepath.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err == nil {
			check(rel, data)
		}
		return err
	}))
	if len(texts) == 0 || w.said.Len() == 0 {
		ts.Fatalf("there is nothing to look for, or nowhere")
	}
}
