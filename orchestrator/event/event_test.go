package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/event"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// Every kind has words of its own, and says what went wrong.
func TestWords(t *testing.T) {
	said := map[string]event.Kind{}
	for _, k := range event.Kinds {
		e := event.Event{Kind: k, Time: noon, Place: "sink.file.web", Issuer: "issuer.acme.x", Note: "a note", Err: errors.New("an error")}
		words := e.Words(time.UTC)
		if words == "" || strings.HasPrefix(words, string(k)+":") && strings.Contains(string(k), "_") {
			t.Errorf("%s has no words: %q", k, words)
		}
		if !strings.Contains(words, "an error") || !strings.Contains(words, "a note") {
			t.Errorf("%s hides its note or error: %q", k, words)
		}
		if other, twice := said[words]; twice && other != event.Noted { // a warning and a note are both their Note
			t.Errorf("%s and %s say the same: %q", k, other, words)
		}
		said[words] = k
	}
	for _, c := range []struct {
		e    event.Event
		want string
	}{
		{event.Event{Kind: event.Cleaned, N: 1, Zone: "example.com"}, "zone example.com: 1 TXT value removed"},
		{event.Event{Kind: event.Cleaned, N: 2}, "2 TXT values removed"},
		{event.Event{Kind: event.Retrying, Provider: "dns.a.b", Time: noon, Until: noon.Add(time.Minute)}, "dns.a.b: failed, again at 12:01:00"},
		{event.Event{Kind: event.Retrying, Place: "sink.a.b", Time: noon, Until: noon.Add(24 * time.Hour)}, "sink.a.b: failed, run tries it again at 2026-11-24 12:00:00"},
		{event.Event{Kind: event.Done, Took: 1540 * time.Millisecond}, "done (1.5 s)"},
		{event.Event{Kind: event.Done, Took: 40 * time.Millisecond}, "done"},
		{event.Event{Kind: event.Issued, Leaf: "abc", NotAfter: noon}, "issued, sha256 abc, until 2026-11-23 12:00 UTC"},
	} {
		if got := c.e.Words(time.UTC); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestLog(t *testing.T) {
	var b bytes.Buffer
	say := event.Log(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelWarn}))
	say(event.Event{Kind: event.Done, Time: noon})
	if b.Len() > 0 {
		t.Errorf("below the handler's level: %s", &b)
	}
	say(event.Event{Kind: event.Failed, Time: noon, Certificate: "certificate.a", Place: "p", Issuer: "i", Provider: "d", Zone: "z", N: 3,
		Took: time.Second, Until: noon, NotAfter: noon, Leaf: "abc", Err: errors.New("no")})
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"level": "ERROR", "event": "failed", "certificate": "certificate.a", "place": "p", "issuer": "i", "provider": "d",
		"zone": "z", "n": "3", "took": "1e+09", "until": "2026-11-23T12:00:00Z", "not_after": "2026-11-23T12:00:00Z", "leaf_sha256": "abc",
		"msg": "zone z: failed: no (1.0 s)", "time": "2026-11-23T12:00:00Z"} {
		if fmt.Sprint(got[name]) != want {
			t.Errorf("%s: got %v, want %s", name, got[name], want)
		}
	}
}

// Tee passes one event at a time, stamped, to all.
func TestTee(t *testing.T) {
	var a, b []event.Event
	say := event.Tee(func(e event.Event) { a = append(a, e) }, nil, func(e event.Event) { b = append(b, e) })
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { event.Listener(say).For("certificate.x")(event.Event{Kind: event.Done}) })
	}
	wg.Wait()
	say(event.Event{Kind: event.Done, Time: noon})
	if len(a) != 51 || len(b) != 51 || a[0].Time.IsZero() || a[0].Certificate != "certificate.x" || !a[50].Time.Equal(noon) {
		t.Errorf("%d and %d events, the first %+v", len(a), len(b), a[0])
	}
}
