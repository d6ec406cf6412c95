package exec_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	osexec "os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/exec"
	"github.com/certform/certform/providers/providertest"
	"github.com/libdns/libdns"
)

// TestMain is also the program: this binary with "program" as its first
// argument.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "program" {
		program(os.Args[2], os.Args[3:])
	}
	os.Exit(m.Run())
}

// command runs this binary as a program that does what is said.
func command(t *testing.T, args ...string) []string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{self, "program"}, args...)
}

func end(code int, words string) {
	fmt.Fprintln(os.Stderr, words)
	os.Exit(code)
}

func program(what string, args []string) {
	switch what {
	case "forward":
		forward(args[0])
	case "end":
		var code int
		fmt.Sscan(args[0], &code)
		end(code, "no luck with "+os.Getenv("DNS_TOKEN"))
	case "long":
		end(1, strings.Repeat("a word and ", 20_000)+"the last one")
	case "environment":
		var names []string
		for _, v := range os.Environ() {
			name, _, _ := strings.Cut(v, "=")
			names = append(names, name)
		}
		slices.Sort(names)
		end(1, strings.Join(names, " "))
	case "flood":
		for {
			if _, err := os.Stdout.Write(make([]byte, 1<<20)); err != nil {
				os.Exit(1)
			}
		}
	case "answer":
		fmt.Print(args[0])
		os.Exit(0)
	case "parent": // with a child that holds a connection and a stream of this program
		child := osexec.Command(os.Args[0], "program", "child", args[0])
		child.Stderr = os.Stderr
		connected, _ := child.StdoutPipe()
		if err := child.Start(); err != nil {
			end(1, err.Error())
		}
		connected.Read(make([]byte, 1))
		if len(args) > 1 {
			os.Exit(0)
		}
		select {}
	case "child":
		if _, err := net.Dial("tcp", args[0]); err != nil {
			end(1, err.Error())
		}
		fmt.Print("x")
		time.Sleep(time.Hour)
	}
}

// forward hands a request to a webhook: a whole program for a DNS host.
func forward(base string) {
	var q struct {
		Op, Zone string
		Changes  json.RawMessage
	}
	if err := json.NewDecoder(os.Stdin).Decode(&q); err != nil {
		end(64, err.Error())
	}
	method, path, body := http.MethodGet, "/zones", []byte(nil)
	switch q.Op {
	case "records":
		path += "/" + q.Zone + "/records"
	case "changes":
		method, path = http.MethodPost, path+"/"+q.Zone+"/changes"
		body = fmt.Appendf(nil, `{"changes": %s}`, q.Changes)
	}
	req, _ := http.NewRequest(method, base+path, bytes.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+os.Getenv("DNS_TOKEN"))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		// Dies without a word, as one that was killed.
		self, _ := os.FindProcess(os.Getpid())
		self.Kill()
		select {}
	}
	answer, _ := io.ReadAll(res.Body)
	switch code := res.StatusCode; {
	case code < 300:
		os.Stdout.Write(answer)
		os.Exit(0)
	case code == 401, code == 403:
		end(77, method+" "+path+": "+string(answer))
	case code == 429, code > 499:
		end(75, res.Status)
	}
	end(1, string(answer))
}

func TestConformance(t *testing.T) {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	z := n.AddZone("example.com")
	child := n.AddZone("child.example.com", z.Servers()...)
	h := n.NewHost(dnstest.HostConfig{Token: "canary-env:T", MaxChanges: 20}, z, child)
	faulty := &providertest.Faulty{Handler: h.Handler()}
	server := httptest.NewServer(faulty)
	t.Cleanup(server.Close)
	spec := func(ref string) *exec.Spec {
		return &exec.Spec{Command: command(t, "forward", server.URL), Env: map[string]block.Secret{"DNS_TOKEN": block.NewSecret(ref)},
			Timeout: time.Minute, MaxChanges: 20}
	}
	quirks := exec.Kind().Quirks
	quirks.PerSecond = 0 // the suite makes many runs
	providertest.Run(t, providertest.Fixture{
		Level: providers.Scripted,
		World: secrets(), Zone: "example.com",
		DNS:     providers.DNS{Address: "dns.exec.m", Kind: "exec", Zones: []string{"example.com"}, Spec: spec("env:T"), Quirks: quirks},
		TXT:     n.TXT,
		Foreign: func(name, value string) { z.Add("_acme-challenge." + name + `. TXT "` + value + `"`) },
		Fault:   faulty.Next,
		Child:   "child.example.com",
		Lacking: spec("env:R"), Right: "POST /zones/example.com/changes",
	})
	if got := h.Stats().Largest; got > 20 {
		t.Errorf("%d changes in one run, max_changes is 20", got)
	}
	if problems := spec("env:T").Check(); len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
}

// secrets is a world in which every reference has a value.
func secrets() *world.World {
	return &world.World{Secret: func(_ context.Context, ref string) (string, error) { return "canary-" + ref, nil }}
}

func open(t *testing.T, s exec.Spec) providers.Provider {
	t.Helper()
	s.Env = map[string]block.Secret{"DNS_TOKEN": block.NewSecret("env:T")}
	if s.Timeout == 0 {
		s.Timeout = time.Minute
	}
	s.MaxChanges = 1
	p, err := s.Open(t.Context(), secrets())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var add = []libdns.RR{{Name: "x", Type: "TXT", Data: "v", TTL: time.Minute}}

// What its exit code says, in its own words and without its secrets.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		about   string
		argv    []string
		timeout time.Duration
		want    string // "": accepted
		refused bool
		never   bool
	}{
		{about: "accepted", argv: command(t, "end", "0")},
		{about: "again later", argv: command(t, "end", "75"), want: "changes of example.com: run "},
		{about: "may not", argv: command(t, "end", "77"), want: "exit status 77: no luck with (secret)", never: true},
		{about: "refused", argv: command(t, "end", "3"), want: "exit status 3: no luck with (secret)", refused: true},
		{about: "many words", argv: command(t, "long"), want: "...", refused: true},
		{about: "the last words", argv: command(t, "long"), want: "and the last one", refused: true},
		{about: "nothing of our environment", argv: command(t, "environment"), want: "exit status 1: DNS_TOKEN HOME PATH", refused: true},
		{about: "too slow", argv: command(t, "parent", "127.0.0.1:1"), timeout: time.Millisecond, want: "it took longer than its timeout of 1ms"},
		{about: "endless", argv: command(t, "flood"), want: "its answer has more than 64 MiB"},
		{about: "not there", argv: []string{"/no/such/program"}, want: "no such file", never: true},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Setenv("CANARY", "canary-of-another")
			err := open(t, exec.Spec{Command: c.argv, Timeout: c.timeout}).(providers.Changer).Change(t.Context(), "example.com.", add, nil)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") || len(err.Error()) > 1000 {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			if _, again := world.RetryAt(err); again == c.never || errors.Is(err, providers.ErrRefused) != c.refused {
				t.Errorf("again %v, refused %v: %v", again, errors.Is(err, providers.ErrRefused), err)
			}
		})
	}
}

// An answer that is none does not show a secret that is in it.
func TestAnswer(t *testing.T) {
	for _, answer := range []string{"", "no JSON", `{"token": "canary-env:T"}`, `["canary-env:T", 1]`} {
		_, err := open(t, exec.Spec{Command: command(t, "answer", answer)}).(libdns.ZoneLister).ListZones(t.Context())
		if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "its answer is not what was expected") {
			t.Errorf("%s: %v", answer, err)
		}
	}
	zones, err := open(t, exec.Spec{Command: command(t, "answer", `["a.example.", "b.example"]`)}).(libdns.ZoneLister).ListZones(t.Context())
	if err != nil || len(zones) != 2 || zones[0].Name != "a.example." || zones[1].Name != "b.example." {
		t.Errorf("%v %v", zones, err)
	}
}

// A relative program is beside the configuration; one without a slash is found
// in PATH.
func TestRebase(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dir, program, want string }{
		{"/etc/certform", "./hook", "/etc/certform/hook"},
		{"/etc/certform", "/usr/bin/hook", "/usr/bin/hook"},
		{"/etc/certform", "hook", "hook"},
		{".", "./hook", here + "/hook"},
	} {
		given := []string{c.program, "./argument"}
		s := exec.Spec{Command: given}
		s.Rebase(c.dir)
		if s.Command[0] != c.want || s.Command[1] != "./argument" || given[0] != c.program {
			t.Errorf("%s in %s: %q", c.program, c.dir, s.Command)
		}
	}
}

func TestCheck(t *testing.T) {
	good := exec.Spec{Command: []string{"hook"}, Timeout: time.Second, MaxChanges: 1}
	for what, spoil := range map[string]func(*exec.Spec){
		"no command":      func(s *exec.Spec) { s.Command = nil },
		"an empty one":    func(s *exec.Spec) { s.Command = []string{""} },
		"no time":         func(s *exec.Spec) { s.Timeout = 0 },
		"too much of it":  func(s *exec.Spec) { s.Timeout = time.Hour },
		"no change":       func(s *exec.Spec) { s.MaxChanges = 0 },
		"a bad name":      func(s *exec.Spec) { s.Env = map[string]block.Secret{"1=x": block.NewSecret("env:T")} },
		"a name of blank": func(s *exec.Spec) { s.Env = map[string]block.Secret{"": block.NewSecret("env:T")} },
	} {
		s := good
		spoil(&s)
		if len(good.Check()) != 0 || len(s.Check()) != 1 {
			t.Errorf("%s: %v", what, s.Check())
		}
	}
	other := good
	other.Env = map[string]block.Secret{"T": block.NewSecret("env:OTHER")}
	if good.Account() == other.Account() {
		t.Error("two accounts are one")
	}
}
