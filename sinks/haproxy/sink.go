package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
)

// disk is the file sink that writes the file beside.
type disk interface {
	sinks.Sink
	sinks.Observer
}

type sink struct {
	api
	w          *world.World
	file, list string
	disk       disk // nil where the instance is elsewhere
	notes      []string
}

// state is all that can be seen of the place.
type state struct {
	loaded  shown
	exists  bool // HAProxy has a certificate there, not only a name
	named   bool // HAProxy has the name
	listed  bool // or no crt-list was asked for
	beside  sinks.Held
	diskErr error // nil; fs.ErrNotExist; or why the file could not be read
}

// Observe asks HAProxy, and reads the file where it is on this machine and may
// be read.
func (s *sink) Observe(ctx context.Context, _ string) (sinks.Held, error) {
	st, err := s.look(ctx)
	if err != nil {
		return sinks.Held{}, s.wrap(err)
	}
	h, err := s.held(st)
	if err != nil {
		return sinks.Held{}, s.wrap(err)
	}
	return h, nil
}

func (s *sink) wrap(err error) error {
	if errors.Is(err, sinks.ErrChanged) {
		return fmt.Errorf("haproxy %s, %s: %w", s.address, s.file, err)
	}
	return fmt.Errorf("haproxy %s: %w", s.address, err)
}

func (s *sink) look(ctx context.Context) (state, error) {
	st := state{listed: true, diskErr: fs.ErrNotExist}
	var err error
	st.loaded, err = s.show(ctx, s.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return st, err
	}
	st.named = err == nil
	st.exists = st.named && st.loaded.sha1 != ""
	if s.list != "" && st.exists {
		if st.listed, err = s.api.listed(ctx, s.list, s.file); err != nil {
			return st, err
		}
	}
	if s.disk != nil {
		st.beside, st.diskErr = s.disk.Observe(ctx, "")
	}
	return st, nil
}

func (s *sink) held(st state) (sinks.Held, error) {
	onDisk := s.disk != nil && st.diskErr == nil
	if !st.exists && !onDisk {
		return sinks.Held{}, fmt.Errorf("certificate %s: %w", s.file, fs.ErrNotExist)
	}
	h := sinks.Held{
		SHA1: st.loaded.sha1, Serial: st.loaded.serial, NotAfter: st.loaded.notAfter,
		Names: slices.Sorted(slices.Values(st.loaded.names)), Issuer: st.loaded.issuer,
		Rev: st.loaded.sha1 + "/" + st.loaded.status, Ref: s.file, Notes: s.notes,
	}
	same := onDisk && st.beside.SHA1 != "" && st.beside.SHA1 == st.loaded.sha1
	switch {
	case same:
		h.Leaf, h.Chain, h.Names = st.beside.Leaf, st.beside.Chain, st.beside.Names
		h.Broken = st.beside.Broken
	case !st.exists:
		h = st.beside
		h.Ref, h.Rev, h.Notes = s.file, "", s.notes
		h.Broken = "the file is there, but HAProxy has not loaded it"
	case onDisk:
		h.Broken = "the file holds another certificate than HAProxy's memory, and a reload would bring it back"
	case s.disk != nil && errors.Is(st.diskErr, fs.ErrNotExist):
		h.Broken = "the file is missing, and a reload would drop the certificate"
	}
	if onDisk {
		h.Rev += "/" + st.beside.Rev
	}
	switch {
	case !st.listed:
		h.Broken = "crt-list " + s.list + " does not name it"
	case st.exists && st.loaded.status == "Unused" && s.list == "":
		h.Notes = append(slices.Clip(h.Notes), "no listener of HAProxy uses it: name it in the configuration, or set crt_list")
	}
	return h, nil
}

// Put replaces the certificate in one transaction, adds it to the crt-list if
// asked, and writes the file.
func (s *sink) Put(ctx context.Context, b *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	turn, release, err := world.Shared(ctx, s.w, "haproxy:"+s.network+":"+s.address, func(context.Context) (turnstile, error) {
		return make(turnstile, 1), nil
	})
	if err != nil {
		return sinks.Held{}, err
	}
	defer release()
	h, err := s.put(ctx, turn, b, was)
	if err != nil {
		return sinks.Held{}, s.wrap(err)
	}
	return h, nil
}

// turnstile lets one Put at a time to an instance.
type turnstile chan struct{}

func (t turnstile) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *sink) put(ctx context.Context, turn turnstile, b *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	if err := s.enter(ctx, turn); err != nil {
		return sinks.Held{}, err
	}
	defer func() { <-turn }()

	st, err := s.look(ctx)
	if err != nil {
		return sinks.Held{}, err
	}
	if st.diskErr != nil && !errors.Is(st.diskErr, fs.ErrNotExist) {
		return sinks.Held{}, st.diskErr // better now than after the commit
	}
	fits := st.exists && st.loaded.sha1 == sinks.SHA1(b.Chain.Leaf())
	now, err := s.held(st)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sinks.Held{}, err
	}
	if now.Rev != was.Rev && !fits {
		return sinks.Held{}, sinks.ErrChanged
	}
	// The chain behind the leaf cannot be seen in HAProxy, but in the file.
	if whole := s.disk == nil || st.diskErr == nil && st.beside.Chain == b.Chain.Fingerprint(); !fits || !whole {
		if err := s.replace(ctx, b, st.named); err != nil {
			return sinks.Held{}, err
		}
	}
	if s.list != "" {
		if err := s.enlist(ctx); err != nil {
			return sinks.Held{}, err
		}
	}
	if s.disk != nil {
		if _, err := s.disk.Put(ctx, b, st.beside); err != nil {
			return sinks.Held{}, fmt.Errorf("HAProxy uses it, but a reload would bring the old one back: %w", err)
		}
	}
	if st, err = s.look(ctx); err != nil {
		return sinks.Held{}, err
	}
	if st.loaded.sha1 != sinks.SHA1(b.Chain.Leaf()) {
		return sinks.Held{}, sinks.ErrChanged
	}
	return s.held(st)
}

// abandoned is how long a transaction about another file is waited for. A
// program is through with one in milliseconds.
const abandoned = 5 * time.Second

// enter waits for its turn and for a transaction of somebody else to end,
// without keeping the turn while that one may be a sibling's: a Put that was
// killed leaves a transaction, and the sibling's next Put takes it up.
func (s *sink) enter(ctx context.Context, turn turnstile) error {
	late := time.NewTimer(abandoned)
	defer late.Stop()
	for {
		if err := turn.enter(ctx); err != nil {
			return err
		}
		other, err := s.transaction(ctx)
		if err == nil && (other == "" || other == s.file) {
			return nil
		}
		<-turn
		if err != nil {
			return err
		}
		busy := world.Hint(fmt.Errorf("somebody has a transaction about %s open, and HAProxy knows only one at a time", other),
			"if nobody is at work there, end it: echo 'abort ssl cert "+other+"' | socat "+s.address+" -")
		select {
		case <-time.After(100 * time.Millisecond):
		case <-late.C:
			return busy
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", busy, context.Cause(ctx))
		}
	}
}

// replace makes the name if it is new, and sets, checks and commits.
func (s *sink) replace(ctx context.Context, b *cert.Bundle, named bool) (err error) {
	pem, err := b.CombinedPEM()
	if err != nil {
		return err
	}
	if !named {
		answer, err := s.ask(ctx, "new ssl cert "+s.file, nil)
		if err != nil {
			return err
		}
		if !strings.Contains(answer, "New empty certificate store") && !strings.Contains(answer, "already exists") {
			return fmt.Errorf("new ssl cert %s: %s", s.file, first(answer))
		}
	}
	defer func() {
		if err != nil {
			s.abort(ctx, s.file, !named)
		}
	}()
	set := "set ssl cert " + s.file
	answer, err := s.ask(ctx, set, pem)
	if err != nil {
		return err
	}
	switch about, ok := about(answer); {
	case !ok:
		return fmt.Errorf("%s: %s", set, first(answer))
	case about != s.file:
		s.abort(ctx, about, false) // it holds our certificate now, which must never be committed there
		return fmt.Errorf("%s: somebody began a transaction about %s in between, which is aborted now", set, about)
	}
	// A process elsewhere may have set something between these two.
	if in, err := s.show(ctx, "*"+s.file); err == nil && in.sha1 != "" && in.sha1 != sinks.SHA1(b.Chain.Leaf()) {
		return fmt.Errorf("%s: somebody else writes into the same transaction", set)
	}
	commit := "commit ssl cert " + s.file
	if answer, err = s.ask(ctx, commit, nil); err != nil {
		return err
	}
	if !strings.Contains(answer, "Success!") {
		return fmt.Errorf("%s: %s", commit, first(strings.TrimPrefix(answer, "Committing "+s.file)))
	}
	return nil
}

// about is the file that the answer to a set names.
func about(answer string) (string, bool) {
	for line := range strings.Lines(answer) {
		for _, begin := range []string{"Transaction created for certificate ", "Transaction updated for certificate "} {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), begin); ok {
				return strings.TrimSuffix(rest, "!"), true
			}
		}
	}
	return "", false
}

// abort ends a transaction, and removes the name again if this Put made it.
// There is nothing to do about its failing: the next Put to the file begins
// with a set, which takes the transaction up.
func (s *sink) abort(ctx context.Context, file string, forget bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = s.ask(ctx, "abort ssl cert "+file, nil)
	if forget {
		_, _ = s.ask(ctx, "del ssl cert "+file, nil)
	}
}

// enlist adds the file to the crt-list, once: HAProxy would add it again.
func (s *sink) enlist(ctx context.Context) error {
	there, err := s.api.listed(ctx, s.list, s.file)
	if err != nil || there {
		return err
	}
	add := "add ssl crt-list " + s.list + " " + s.file
	answer, err := s.ask(ctx, add, nil)
	if err != nil {
		return err
	}
	if !strings.Contains(answer, "Success!") {
		return fmt.Errorf("%s: %s", add, first(answer))
	}
	return nil
}
