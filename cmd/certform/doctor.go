package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
	"github.com/spf13/cobra"
)

func doctorCommand(o *options) *cobra.Command {
	var write bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether the DNS hosts and CAs can be used: credentials, zones, rights, clocks",
		Long:  "Look whether the DNS hosts and CAs can be used: credentials, zones, rights, clocks. With\n-write a TXT value is added at _acme-challenge.certform-doctor of each zone, seen at every\nserver, and removed. Exit 0 if all is well, 1 if it could not begin to look, 2 if something\nis wrong.",
		Args:  noArguments,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			d := &doctor{o: o, began: time.Now(), ahead: map[string]time.Duration{}}
			open := o.look
			if write {
				open = o.change
			}
			s, err := open(c.Context(), cfg, func(e event.Event) {
				if e.Kind == event.Noted && e.Zone == "" {
					o.note(e.Note) // an age identity was made, which is to be kept
				}
			})
			if err != nil {
				return err
			}
			defer s.Close()
			s.world.Dated = d.dated
			d.s = s
			d.say = event.Tee(d.listener())
			if err := d.examine(c.Context(), write); err != nil {
				return err
			}
			return d.end()
		},
	}
	configFlags(c, o)
	c.Flags().BoolVar(&write, "write", false, "add a TXT value to each zone, see it at every server, and remove it")
	return c
}

// doctor is one look of the command. It says what it finds as events.
type doctor struct {
	o     *options
	s     *session
	say   event.Listener
	began time.Time

	mu    sync.Mutex
	ahead map[string]time.Duration // the clocks of hosts
	well  int
	wrong int
}

// dated notes the clock of a host.
func (d *doctor) dated(host string, ahead time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ahead[host] = ahead
}

// listener counts, and shows each finding: as JSON, or as a line of a table.
func (d *doctor) listener() event.Listener {
	show := d.row
	if d.o.json {
		show = jsonListener(d.o.out)
	}
	return func(e event.Event) {
		switch e.Kind {
		case event.Checked:
			d.well++
		case event.Ailing:
			d.wrong++
		}
		show(e)
	}
}

func (d *doctor) row(e event.Event) {
	colour, mark := "", "·"
	switch e.Kind {
	case event.Checked:
		colour, mark = green, "✓"
	case event.Ailing:
		colour, mark = red, "✗"
	case event.Warned:
		colour, mark = yellow, "!"
	}
	what := strings.TrimSpace(e.Provider + e.Issuer)
	text := e.Note
	if e.Zone != "" {
		text = "zone " + e.Zone + ": " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	// A broken pipe changes nothing of what is wrong.
	_, _ = fmt.Fprintf(d.o.out, "%s %-24s %s\n", d.o.paintFor(d.o.out, bold+colour, d.o.glyph(mark)), what, indent(text, strings.Repeat(" ", 27)))
	if e.Err != nil {
		d.o.advise(d.o.out, e.Err)
	}
}

// mostAhead is how far a clock may be off: requests are signed with times that
// hosts refuse after five minutes, and certificates begin when the CA says.
const mostAhead = time.Minute

// examine looks at everything, one dns block and issuer after the other.
func (d *doctor) examine(ctx context.Context, write bool) error {
	s := d.s
	engine := &apply.Engine{Zones: s.zones}
	inUse, by := engine.ZonesOf(ctx, s.wants)
	owned, err := d.owned(ctx)
	if err != nil {
		return err
	}
	names := d.names(ctx)
	ours := map[string]bool{}
	for _, v := range owned {
		ours[v.Name+"\x00"+v.Value] = true
		if !slices.Contains(names[v.Zone], v.Name) {
			names[v.Zone] = append(names[v.Zone], v.Name) // also where no certificate is
		}
	}
	for _, address := range s.zones.Blocks() {
		h := s.zones.Examine(ctx, address)
		if h.Err != nil {
			d.say(event.Event{Kind: event.Ailing, Provider: address, Note: "it cannot be used", Err: h.Err})
			continue
		}
		note := fmt.Sprintf("its zones are declared: %s; the host lists none, so that only what is read or written tries the credential", few8(h.Zones))
		if h.Listed {
			note = fmt.Sprintf("the credential works; %d %s: %s", len(h.Zones), plural(len(h.Zones), "zone", "zones"), few8(h.Zones))
		}
		d.say(event.Event{Kind: event.Checked, Provider: address, Note: note, Took: h.Took})
		for _, zone := range h.Unlisted {
			d.say(event.Event{Kind: event.Ailing, Provider: address, Zone: zone, Note: "it is declared, and the host does not list it: the credential has no right to it, or it is elsewhere"})
		}
		zones := slices.Clone(inUse)
		zones = slices.DeleteFunc(zones, func(z string) bool { return by[z] != address })
		for _, z := range h.Zones {
			// Of those that a host lists only what is ours or in use: there may
			// be thousands.
			ours := slices.ContainsFunc(owned, func(v state.Value) bool { return v.Zone == z+"." })
			if (h.Declared || ours && by[z+"."] == "") && !slices.Contains(zones, z+".") && !slices.Contains(h.Unlisted, z) {
				zones = append(zones, z+".")
			}
		}
		for _, zone := range zones {
			by[zone] = address
			if !slices.Contains(inUse, zone) {
				inUse = append(inUse, zone)
			}
			d.zone(ctx, address, zone, names[zone], ours)
		}
	}
	for _, v := range owned {
		if by[v.Zone] == "" {
			d.say(event.Event{Kind: event.Ailing, Provider: v.Provider, Zone: bare(v.Zone), Note: fmt.Sprintf("our TXT value at %s may still be in DNS", bare(v.Name)),
				Err: world.Hint(errors.New("no dns block serves its zone now"), "declare the zone again, and the next apply removes it; or remove it by hand: "+strconv.Quote(v.Value))})
		}
	}
	if write {
		if err := d.write(ctx, inUse, by); err != nil {
			return err
		}
	}
	for _, i := range s.cfg.Issuers {
		if err := s.issuers[i.Address].Greet(ctx); err != nil {
			d.say(event.Event{Kind: event.Ailing, Issuer: i.Address, Note: "the CA does not answer as one", Err: err})
			continue
		}
		d.say(event.Event{Kind: event.Checked, Issuer: i.Address, Note: "the CA shows its directory"})
	}
	d.clocks()
	return ctx.Err()
}

// zone reads the challenges of one zone and shows those of others.
func (d *doctor) zone(ctx context.Context, address, zone string, names []string, ours map[string]bool) {
	values, read, err := d.s.zones.Challenges(ctx, address, zone, names)
	if err != nil {
		d.say(event.Event{Kind: event.Ailing, Provider: address, Zone: bare(zone), Note: "it cannot be read", Err: err})
		return
	}
	if read {
		d.say(event.Event{Kind: event.Checked, Provider: address, Zone: bare(zone), Note: "it can be read"})
	}
	for _, v := range values {
		if ours[v.Name+"\x00"+v.Text] {
			d.say(event.Event{Kind: event.Noted, Provider: address, Zone: bare(zone), Note: fmt.Sprintf("our TXT value at %s is in use or will be removed by the next apply or run", bare(v.Name))})
			continue
		}
		d.say(event.Event{Kind: event.Warned, Provider: address, Zone: bare(zone), Note: fmt.Sprintf("a TXT value at %s is not ours and is left alone: %q", bare(v.Name), v.Text)})
	}
}

// owned are the values that records of this state name.
func (d *doctor) owned(ctx context.Context) (out []state.Value, err error) {
	records, err := d.s.survey.Records(ctx)
	for _, r := range records {
		out = append(out, r.Owed...)
		if r.Work != nil {
			out = append(out, r.Work.Values...)
		}
	}
	return out, err
}

// names are the names that values are written at, by zone.
func (d *doctor) names(ctx context.Context) map[string][]string {
	out := map[string][]string{}
	for _, w := range d.s.wants {
		for _, n := range w.Names {
			f, err := d.s.zones.Find(ctx, n)
			if err != nil {
				d.say(event.Event{Kind: event.Ailing, Certificate: w.Address, Note: "name " + n.String() + " cannot be proven", Err: err})
				continue
			}
			if !slices.Contains(out[f.Zone], f.Target) {
				out[f.Zone] = append(out[f.Zone], f.Target)
			}
		}
	}
	return out
}

// write lets a canary live in each zone.
func (d *doctor) write(ctx context.Context, zones []string, by map[string]string) error {
	ctx, stop, done := interruptible(ctx, d.o)
	defer done()
	runner, err := apply.StartRunner(ctx, d.s.store, d.s.who)
	if err != nil {
		return err
	}
	defer runner.Stop(context.WithoutCancel(ctx))
	engine := d.s.engine(runner, stop)
	engine.Say = d.say
	var wg sync.WaitGroup
	for _, zone := range zones {
		wg.Go(func() { engine.Sing(ctx, zone, by[zone]) })
	}
	wg.Wait()
	return nil
}

// clocks compares the clocks of all hosts that were asked over HTTP.
func (d *doctor) clocks() {
	d.mu.Lock()
	ahead := d.ahead
	d.ahead = map[string]time.Duration{}
	d.mu.Unlock()
	for _, host := range slices.Sorted(maps.Keys(ahead)) {
		by, name := ahead[host], host
		if u, err := url.Parse("//" + host); err == nil {
			name = u.Host
		}
		note := fmt.Sprintf("the clock of %s is %s that of this machine", name, offBy(by))
		kind := event.Checked
		var err error
		if by.Abs() > mostAhead {
			kind, err = event.Ailing, world.Hint(errors.New("signed requests are refused by clocks that differ by minutes"), "set the clock of this machine by NTP")
		}
		d.say(event.Event{Kind: kind, Note: note, Err: err})
	}
}

func offBy(d time.Duration) string {
	switch {
	case d.Abs() <= 2*time.Second:
		return "with"
	case d > 0:
		return d.Round(time.Second).String() + " ahead of"
	}
	return d.Abs().Round(time.Second).String() + " behind"
}

// doctorLine is the end of a look for programs.
type doctorLine struct {
	Type    string    `json:"type"`
	Time    time.Time `json:"@timestamp"`
	Well    int       `json:"well"`
	Wrong   int       `json:"wrong"`
	Seconds float64   `json:"took_seconds"`
	Exit    int       `json:"exit_code"`
}

// end is the verdict.
func (d *doctor) end() error {
	l := doctorLine{"doctor_summary", time.Now().UTC(), d.well, d.wrong, time.Since(d.began).Seconds(), exitOK}
	if d.wrong > 0 {
		l.Exit = exitChanges
	}
	if d.o.json {
		return errors.Join(writeJSON(d.o.out, l), exit(l.Exit))
	}
	verdict := d.o.paintFor(d.o.out, bold+green, "All is well.")
	if d.wrong > 0 {
		verdict = d.o.paintFor(d.o.out, bold+red, fmt.Sprintf("%d %s wrong.", d.wrong, plural(d.wrong, "thing is", "things are")))
	}
	_, _ = fmt.Fprintf(d.o.out, "\n%s %d well.\n", verdict, d.well)
	return exit(l.Exit)
}

// few8 lists not more than can be read.
func few8(list []string) string {
	if len(list) > 8 {
		return strings.Join(list[:8], ", ") + fmt.Sprintf(" and %d more", len(list)-8)
	}
	return strings.Join(list, ", ")
}
