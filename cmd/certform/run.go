package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/config"
	"github.com/certform/certform/orchestrator/daemon"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/state"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
)

// endWithin is how long run takes to end after SIGTERM at the most: what is
// under way is asked to finish its phase, and cut off after that.
const endWithin = 8 * time.Second

// errBrokenOff is why what was under way at the end of run did not go on.
var errBrokenOff error = cutOff("broken off at the end of run; the next one goes on from here")

// sweepEvery is how often keys and bundles that nothing names are looked for.
const sweepEvery = time.Hour

func runCommand(o *options) *cobra.Command {
	var interval time.Duration
	var listen string
	var canary time.Duration
	c := &cobra.Command{
		Use:   "run",
		Short: "Keep the world as the configuration says: renewals, retries and drift, until stopped",
		Long:  "Keep the world as the configuration says, until stopped. SIGHUP reloads the configuration\n(a bad one is refused and the old one stays); SIGTERM ends within ten seconds, with all\nrecords saved. Several processes on one state share the work.",
		Args:  noArguments,
		RunE: func(c *cobra.Command, args []string) error {
			return o.keep(c.Context(), interval, canary, listen)
		},
	}
	configFlags(c, o)
	c.Flags().DurationVar(&interval, "interval", time.Hour, "how often every place and endpoint is looked at for drift")
	c.Flags().DurationVar(&canary, "canary", 0, "how often a TXT value is added to each zone in use, seen at every server and removed, as 24h; 0: never")
	c.Flags().StringVar(&listen, "listen", "", "serve /metrics and /healthz at this address, as 127.0.0.1:9321")
	return c
}

// keep is the daemon: one state and one runner for all configurations that it
// will load.
func (o *options) keep(ctx context.Context, interval, canary time.Duration, listen string) error {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	m := newMetrics()
	say := event.Tee(o.journal(), m.Listen)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	first, err := o.change(ctx, cfg, say)
	if err != nil {
		return err
	}
	base := *first
	defer base.store.Close()
	base.who.Shares = true
	runner, err := apply.StartRunner(ctx, base.store, base.who)
	if err != nil {
		return err
	}
	defer runner.Stop(context.WithoutCancel(ctx))

	if listen != "" {
		stop, err := serveHTTP(listen, m, say)
		if err != nil {
			return err
		}
		defer stop()
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	stop, end := context.WithCancel(context.Background())
	defer end()
	fleets := make(chan daemon.Fleet, 1)
	fleets <- o.fleet(first, runner, stop)
	m.configured(first.wants)
	say(event.Event{Kind: event.ConfigLoaded, N: len(first.wants)})
	d := &daemon.Daemon{Runner: runner, Interval: interval, Canary: canary, Say: say, Looked: m.Looked}
	var wg sync.WaitGroup
	wg.Go(func() { d.Run(ctx, fleets, stop.Done()) })
	wg.Go(func() { sweep(ctx, base.whole, stop.Done(), say) })
	wg.Go(func() { base.noteUpkeeps(ctx, stop.Done()) })
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	for {
		var lost error // why it ends, if nobody asked it to
		select {
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				o.reload(ctx, &base, runner, stop, fleets, m, say)
				continue
			}
			name := "SIGTERM"
			if sig == os.Interrupt {
				name = "SIGINT"
			}
			say(event.Event{Kind: event.Noted, Note: fmt.Sprintf("%s: nothing new is begun, what is under way has %s to be finished and saved", name, endWithin)})
		case lost = <-runner.Lost():
			say(event.Event{Kind: event.Warned, Note: "nothing can be saved any more, so nothing is done any more", Err: lost})
		}
		over := event.Event{Kind: event.RunEnded}
		defer func() { say(over) }()
		end()
		select {
		case <-ended:
		case <-signals:
			cancel(errBrokenOff)
			<-ended
			over.Note = "told twice, so what was under way was broken off; the next run goes on from there"
			return exit(exitInterrupted)
		case <-time.After(endWithin):
			cancel(errBrokenOff)
			<-ended
			over.Note = "what was under way was broken off; the next run goes on from there"
		}
		return lost
	}
}

// fleet makes a session the daemon's: when it is replaced and idle, its
// connections are let go of, but not the state, which outlives it.
func (o *options) fleet(s *session, runner *apply.Runner, stop context.Context) daemon.Fleet {
	engine := s.engine(runner, stop)
	engine.Patient = true
	return daemon.Fleet{Wants: s.wants, Engine: engine, Survey: s.survey, Release: func() {
		s.zones.Close()
		s.world.CloseIdle()
	}}
}

// reload reads the configuration again. One with mistakes, or another state,
// is refused: the old one stays.
func (o *options) reload(ctx context.Context, base *session, runner *apply.Runner, stop context.Context, fleets chan<- daemon.Fleet, m *metrics, say event.Listener) {
	cfg, diags := o.read()
	var err error
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			err = errors.Join(err, mistake(d)) // all of them: a Diagnostics tells the first
		}
	}
	if err == nil {
		err = sameBackends(base.cfg, cfg)
	}
	if err != nil {
		m.reloaded(false)
		say(event.Event{Kind: event.ConfigRefused, Err: err})
		return
	}
	s := &session{o: o, cfg: cfg, say: say, who: base.who, store: base.store, whole: base.whole, meta: base.meta, seal: base.seal, world: base.world}
	s.wire(ctx)
	select {
	case fleets <- o.fleet(s, runner, stop):
	case <-ctx.Done():
		return
	}
	m.configured(s.wants)
	m.reloaded(true)
	say(event.Event{Kind: event.ConfigLoaded, N: len(s.wants)})
}

// mistake is d as an error; one that is in no file has no place to name.
func mistake(d *hcl.Diagnostic) error {
	if d.Subject == nil {
		return fmt.Errorf("%s; %s", d.Summary, d.Detail)
	}
	return d
}

// sameBackends refuses a reload that would move the state or the seal under a
// running process.
func sameBackends(old, new *config.Config) error {
	was, is := session{cfg: old}, session{cfg: new}
	if *old.Settings.State.Spec.(*config.Local) != *new.Settings.State.Spec.(*config.Local) || was.identityPath() != is.identityPath() {
		return errors.New("the state or the seal is another one: restart to change that")
	}
	return nil
}

// sweep removes, now and then, keys and bundles that no record names.
func sweep(ctx context.Context, store state.Store, stop <-chan struct{}, say event.Listener) {
	var s state.Sweeper
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if _, err := s.Sweep(ctx, store); err != nil && ctx.Err() == nil {
			say(event.Event{Kind: event.Warned, Note: "old keys and bundles could not be swept", Err: err})
		}
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// serveHTTP serves the metrics and the health; the returned function ends it.
func serveHTTP(listen string, m *metrics, say event.Listener) (stop func(), err error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	srv := &http.Server{Handler: m.Handler(), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			say(event.Event{Kind: event.Warned, Note: "the metrics are no longer served", Err: err})
		}
	}()
	say(event.Event{Kind: event.Noted, Note: "metrics at http://" + l.Addr().String() + "/metrics"})
	return func() { srv.Close(); <-ended }, nil
}
