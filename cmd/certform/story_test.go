package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
)

var update = flag.Bool("update", false, "write what the tests compare with anew")

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what comes out now; see the difference by -update and git diff\n%s", path, firstDifference(string(got), string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return fmt.Sprintf("line %d:\n got  %s\n want %s", i+1, a, b)
		}
	}
	return ""
}

// story is one recorded run in which everything happens that can.
func story(t *testing.T) []event.Event {
	t.Helper()
	data, err := os.ReadFile("testdata/story.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var out []event.Event
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		var r struct {
			Time, Until                                      time.Time
			Kind                                             event.Kind
			Certificate, Place, Issuer, Provider, Zone, Note string
			N                                                int
			Took, Leaf, Err, Advice                          string
			NotAfter                                         time.Time `json:"not_after"`
		}
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		e := event.Event{Time: r.Time, Kind: r.Kind, Certificate: r.Certificate, Place: r.Place, Issuer: r.Issuer, Provider: r.Provider,
			Zone: r.Zone, Note: r.Note, N: r.N, Until: r.Until, Leaf: r.Leaf, NotAfter: r.NotAfter}
		if r.Took != "" {
			if e.Took, err = time.ParseDuration(r.Took); err != nil {
				t.Fatal(err)
			}
		}
		if r.Err != "" {
			e.Err = errors.New(r.Err)
			if r.Advice != "" {
				e.Err = world.Hint(e.Err, r.Advice)
			}
		}
		out = append(out, e)
	}
	return out
}

// One story, told by each listener: no view knows what another does not.
func TestStory(t *testing.T) {
	events := story(t)
	told := map[event.Kind]bool{}
	for _, e := range events {
		told[e.Kind] = true
	}
	for _, k := range event.Kinds {
		if !told[k] {
			t.Errorf("the story has no %s", k)
		}
	}
	replay := func(l event.Listener) {
		for _, e := range events {
			l(e)
		}
	}
	t.Run("plain", func(t *testing.T) {
		var b bytes.Buffer
		replay(plainListener(&b, time.UTC))
		golden(t, "story.plain.txt", b.Bytes())
	})
	t.Run("json", func(t *testing.T) {
		var b bytes.Buffer
		replay(jsonListener(&b))
		golden(t, "story.json.txt", b.Bytes())
	})
	t.Run("log", func(t *testing.T) {
		var b bytes.Buffer
		replay(event.Log(slog.NewTextHandler(&b, nil)))
		golden(t, "story.log.txt", b.Bytes())
	})
	t.Run("live", func(t *testing.T) {
		var b bytes.Buffer
		table := newBoard(events[0].Time, time.UTC)
		plain := func(_, s string) string { return s }
		for _, e := range events {
			table.take(e)
			fmt.Fprintf(&b, "== %s %s\n", e.Time.Format("15:04:05.0"), e.Kind)
			for _, s := range table.said {
				fmt.Fprintln(&b, "| "+s.text)
			}
			table.said = nil
			for _, l := range table.frame(e.Time, 79, 8, plain) {
				fmt.Fprintln(&b, l)
			}
		}
		golden(t, "story.live.txt", b.Bytes())
	})
}

// However many certificates and however small the terminal, a frame fits it.
func TestFrameFits(t *testing.T) {
	table := newBoard(time.Unix(0, 0), time.UTC)
	table.take(event.Event{Kind: event.RunStarted, N: 1000, Time: time.Unix(0, 0)})
	for i := range 1000 {
		who := fmt.Sprintf("certificate.a-rather-long-name-of-a-block[%q]", strings.Repeat("ж", i%60))
		table.take(event.Event{Kind: event.Began, Certificate: fmt.Sprint(who, i), Time: time.Unix(0, 0), Note: strings.Repeat("why ", 30)})
		table.take(event.Event{Kind: event.Presented, Zone: fmt.Sprintf("z%d.example", i), Time: time.Unix(0, 0)})
	}
	plain := func(_, s string) string { return s }
	for _, width := range []int{20, 40, 79, 300} {
		for _, height := range []int{1, 4, 5, 24, 60} {
			frame := table.frame(time.Unix(5, 0), width, height, plain)
			if len(frame) > max(2, height) {
				t.Errorf("%dx%d: %d lines", width, height, len(frame))
			}
			for _, l := range frame {
				if n := len([]rune(l)); n > width && width >= 40 {
					t.Errorf("%dx%d: %d columns: %s", width, height, n, l)
				}
			}
		}
	}
	if got := table.frame(time.Unix(5, 0), 79, 24, plain); !strings.Contains(got[len(got)-1], "1000 under way") || len(got) != 23 {
		t.Errorf("%d lines, the last: %s", len(got), got[len(got)-1])
	}
}

// A terminal that takes nothing holds up no event, and Close still returns
// once it does.
func TestSlowTerminal(t *testing.T) {
	r, w := io.Pipe()
	s := newScreenOn(&options{errs: w}, w, func() (int, int) { return 80, 24 })
	for i := range 10000 {
		s.Listen(event.Event{Kind: event.Began, Certificate: fmt.Sprint("certificate.c", i), Time: time.Unix(int64(i), 0)})
	}
	s.Say("the last word")
	all := make(chan string)
	go func() {
		data, _ := io.ReadAll(r)
		all <- string(data)
	}()
	s.Close()
	w.Close()
	if got := <-all; !strings.Contains(got, "the last word\n") {
		t.Errorf("it was not said: %q", got)
	}
}
