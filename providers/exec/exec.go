// Package exec reaches DNS hosts that nobody supports, by a program of the
// user's. It is run once for each question, with one JSON object on its
// standard input:
//
//	{"op": "zones"}
//	{"op": "records", "zone": "example.com"}
//	{"op": "changes", "zone": "example.com", "changes": [{"op": "add" or "delete", "name", "type", "value", "ttl"}, ...]}
//
// and answers on its standard output: the first with ["example.com", ...], the
// second with [{"name", "type", "value", "ttl"}, ...], the third with nothing
// that is read. Names are fully qualified, values of TXT records plain text.
// Exit code 0 means accepted, 75 (EX_TEMPFAIL) that the same should be sent
// again later, 77 (EX_NOPERM) that the credential may not, another that it is
// refused; standard error says why. Adding what is there and deleting what is
// not are to be accepted.
package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/wire"
	"github.com/libdns/libdns"
)

const example = `dns "exec" "main" {
  command = ["/usr/local/bin/dns-changes", "--server", "ns1.example.com"]
  env     = { DNS_API_TOKEN = secret("env:DNS_API_TOKEN") }
  zones   = ["example.com"]
}
`

// Exit codes of sysexits.h that mean something.
const (
	exitAgain = 75 // EX_TEMPFAIL
	exitMay   = 77 // EX_NOPERM
)

const (
	mostTime  = time.Minute // what the broker gives one call
	mostWords = 500         // bytes of the program's own words in an error, from their end
)

// protocol is what a user has to write something for.
const protocol = "The program of `exec` is run once for each question, with one JSON object on its standard input: `{\"op\": \"zones\"}` is answered on standard output with " +
	"`[\"example.com\", ...]`, `{\"op\": \"records\", \"zone\"}` with `[{\"name\", \"type\", \"value\", \"ttl\"}, ...]`, and `{\"op\": \"changes\", \"zone\", \"changes\": [...]}`, " +
	"whose changes are `{\"op\": \"add\" or \"delete\", \"name\", \"type\", \"value\", \"ttl\"}`, with nothing that is read. Names are fully qualified, values plain " +
	"text. Exit code 0 means accepted, 75 (EX_TEMPFAIL) that the same is to be sent again later, 77 (EX_NOPERM) that the credential may not, any other that " +
	"it is refused; the end of standard error says why. Adding what is there and deleting what is not must be accepted, since a run that was ended is " +
	"repeated. Its environment is PATH, HOME and the secrets of `env`; after its `timeout` it is killed with all that it started."

// Kind is the line of this provider in the table of all.
func Kind() providers.Kind {
	return providers.Kind{
		Name:    "exec",
		Doc:     "Any DNS host, by a program of yours that is given the changes as JSON.",
		Example: example,
		New:     func() providers.Spec { return &Spec{} },
		// As of a webhook: what the program asks is not known, and many hosts
		// take five calls a second.
		Quirks:  providers.Quirks{Batch: 500, PerSecond: 4.5, Burst: 1, Source: "the protocol is ours; max_changes says less"},
		Special: protocol,
		Proven:  []providers.Proof{{Level: providers.Scripted}},
	}
}

// Spec is a block dns "exec".
type Spec struct {
	Command    []string                `arg:"command,required" doc:"The program and its arguments, run without a shell. A program without a slash is looked for in PATH, a relative path begins at the file that says so. Arguments are seen by everybody on the machine: no secret belongs here."`
	Env        map[string]block.Secret `arg:"env" doc:"Secrets that the program finds in its environment, which else holds PATH and HOME only."`
	Timeout    time.Duration           `arg:"timeout" default:"45s" doc:"How long one run may take before it is ended, with everything that it started; at most 1m."`
	MaxChanges int                     `arg:"max_changes" default:"500" doc:"The most changes in one run."`
}

// Rebase makes a program that is given by a path absolute. One without a slash
// is looked for in PATH.
func (s *Spec) Rebase(dir string) {
	if len(s.Command) == 0 || !strings.ContainsRune(s.Command[0], '/') {
		return
	}
	s.Command = slices.Clone(s.Command)
	s.Command[0] = providers.Rebased(dir, s.Command[0])
	// dir may be ".", and what is left of ./program then is no path any more.
	if whole, err := filepath.Abs(s.Command[0]); err == nil {
		s.Command[0] = whole
	}
}

// Check says what is wrong beyond the types of the arguments.
func (s *Spec) Check() (out []block.Problem) {
	if len(s.Command) == 0 || s.Command[0] == "" {
		out = append(out, block.Problem{Argument: "command", Summary: "No program",
			Detail: `The command is a program and its arguments: ["/usr/local/bin/dns-changes", "--server", "ns1.example.com"].`})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if !variable(name) {
			out = append(out, block.Problem{Argument: "env", Summary: "Not the name of an environment variable",
				Detail: fmt.Sprintf("%q: letters, digits and _ are allowed, and no digit first.", name)})
		}
	}
	if s.Timeout <= 0 || s.Timeout > mostTime {
		out = append(out, block.Problem{Argument: "timeout", Summary: "Not a time that a run can have",
			Detail: "timeout is more than nothing and at most 1m; its default is 45s."})
	}
	if s.MaxChanges < 1 {
		out = append(out, block.Problem{Argument: "max_changes", Summary: "No change at all",
			Detail: "max_changes is at least 1; its default is 500."})
	}
	return out
}

func variable(name string) bool {
	for i, r := range name {
		switch {
		case r == '_', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', i > 0 && r >= '0' && r <= '9':
		default:
			return false
		}
	}
	return name != ""
}

// Account is the program with its arguments, and where its secrets are.
func (s *Spec) Account() string {
	var b strings.Builder
	for _, arg := range s.Command {
		b.WriteString(strconv.Quote(arg) + " ")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		b.WriteString(name + "=" + s.Env[name].Ref() + " ")
	}
	return b.String()
}

// Batch is max_changes: the user knows the program.
func (s *Spec) Batch() int { return s.MaxChanges }

// Open resolves the secrets; nothing is run yet.
func (s *Spec) Open(ctx context.Context, w *world.World) (providers.Provider, error) {
	p := &provider{w: w, argv: s.Command, timeout: s.Timeout, most: max(1, s.MaxChanges)}
	var secrets []string
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		value, err := w.Resolve(ctx, s.Env[name].Ref())
		if err != nil {
			return nil, err
		}
		if strings.ContainsRune(value, 0) {
			return nil, world.Never(fmt.Errorf("env %s: %s holds a zero byte, which no environment can", name, s.Env[name]))
		}
		p.env, secrets = append(p.env, name+"="+value), append(secrets, value)
	}
	p.mask = world.Mask(secrets, nil)
	return p, nil
}

type provider struct {
	w       *world.World
	argv    []string
	env     []string
	timeout time.Duration
	most    int
	mask    *strings.Replacer
}

// request is what a run is given.
type request struct {
	Op      string        `json:"op"`
	Zone    string        `json:"zone,omitempty"`
	Changes []wire.Change `json:"changes,omitempty"`
}

// run is one run of the program; its answer is decoded into out, if that is
// not nil.
func (p *provider) run(ctx context.Context, q request, out any) error {
	if err := providers.Pace(ctx); err != nil {
		return err
	}
	in, err := json.Marshal(q)
	if err != nil {
		return world.Never(err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("it took longer than its timeout of %s", p.timeout))
	defer cancel()
	answer, said, err := p.w.Ask(ctx, world.Program{Argv: p.argv, Env: p.env, Stdin: append(in, '\n')})
	asked := q.Op
	if q.Zone != "" {
		asked += " of " + q.Zone
	}
	if err != nil {
		return fmt.Errorf("%s: %w", asked, p.fault(err, said))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: run %s: its answer is not what was expected: %s", asked, p.argv[0], p.mask.Replace(err.Error()))
	}
	return nil
}

// fault is err with the program's own words, and what its exit code means.
// What was ended from outside may be tried again: it may have done its work.
func (p *provider) fault(err error, said []byte) error {
	if words := p.words(said); words != "" {
		err = fmt.Errorf("%w: %s", err, words)
	}
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return err
	}
	switch ended.ExitCode() {
	case -1, exitAgain:
		return err
	case exitMay:
		return &world.Fault{Err: err, Never: true, Advice: "the program says that its credential is wrong, has expired, or may not do this"}
	}
	return errors.Join(err, providers.ErrRefused)
}

// words are the last ones of the program, on one line and without secrets.
func (p *provider) words(said []byte) string {
	s := strings.Join(strings.Fields(p.mask.Replace(strings.ToValidUTF8(string(said), "?"))), " ")
	if len(s) > mostWords {
		s = "..." + strings.ToValidUTF8(s[len(s)-mostWords:], "")
	}
	return s
}

// Change makes additions and removals in one run, or in as few as max_changes
// allows.
func (p *provider) Change(ctx context.Context, zone string, add, del []libdns.RR) error {
	for part := range slices.Chunk(wire.Changes(zone, add, del), p.most) {
		if err := p.run(ctx, request{Op: "changes", Zone: strings.TrimSuffix(zone, "."), Changes: part}, nil); err != nil {
			return err
		}
	}
	return nil
}

// GetRecords lists the zone.
func (p *provider) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	var all []wire.Record
	if err := p.run(ctx, request{Op: "records", Zone: strings.TrimSuffix(zone, ".")}, &all); err != nil {
		return nil, err
	}
	return wire.Records(zone, all), nil
}

// ListZones lists the zones that the program serves.
func (p *provider) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	var names []string
	if err := p.run(ctx, request{Op: "zones"}, &names); err != nil {
		return nil, err
	}
	return wire.Zones(names), nil
}

// AppendRecords is libdns's own way; the broker uses Change.
func (p *provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.AppendBy(ctx, p, zone, recs)
}

// DeleteRecords is libdns's own way; the broker uses Change.
func (p *provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.DeleteBy(ctx, p, zone, recs)
}
