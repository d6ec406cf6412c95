package file_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/file"
	"github.com/certform/certform/sinks/sinktest"
)

func TestRefusedBundleLeavesWhatWasThere(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"test", "reload"} {
		for _, there := range []string{"nothing", "an empty directory", "somebody's directory", "our directory", "one of each before"} {
			t.Run(which+" over "+there, func(t *testing.T) {
				b := newBench(t)
				dir := b.path("tls")
				good := &file.Spec{Directory: dir}
				var info os.FileInfo
				var old *cert.Bundle
				switch there {
				case "an empty directory":
					b.must(os.Mkdir(dir, 0o750))
				case "somebody's directory":
					info = b.crowded(dir)
				case "our directory":
					old = b.renew(good, 1)
				case "one of each before":
					info = b.crowded(dir)
					old = b.renew(good, 2)
				}
				before := tree(t, dir)
				ran := map[string]int{}
				b.world.Exec = func(_ context.Context, argv []string) ([]byte, error) {
					ran[argv[0]]++
					if argv[0] == which {
						return nil, fmt.Errorf("run %s: exit status 1: emerg: cannot load", argv[0])
					}
					return nil, nil
				}
				s := &file.Spec{Directory: dir, Test: []string{"test"}, Reload: []string{"reload"}}
				var was sinks.Held
				if old != nil {
					was, _ = b.look(s)
				}
				_, err := b.put(s, sinktest.Bundle(t, "example.com"), was)
				if err == nil || !strings.Contains(err.Error(), "emerg: cannot load") {
					t.Fatalf("error %v does not keep the service's words", err)
				}
				if after := tree(t, dir); after != before {
					t.Errorf("before:\n%s\nafter:\n%s", before, after)
				}
				if info != nil {
					if after, err := os.Stat(filepath.Join(dir, "README")); err != nil || !os.SameFile(info, after) {
						t.Errorf("README: %v", err)
					}
				}
				if old != nil {
					b.pair(dir, old)
				}
				if which == "test" && ran["reload"] != 0 {
					t.Error("it reloaded after a failed test")
				}
				if which == "reload" && (ran["test"] != 2 || ran["reload"] != 2) {
					t.Errorf("ran %v, want test and reload once more for the old one", ran)
				}
			})
		}
	}
}

// tree is what a reader of dir sees.
func tree(t *testing.T, dir string) string {
	t.Helper()
	info, err := os.Lstat(dir)
	if err != nil {
		return "nothing"
	}
	out := info.Mode().String() + "\n"
	if to, err := os.Readlink(dir); err == nil {
		out += "-> " + to + "\n"
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		out += e.Name() + " " + e.Type().String() + "\n"
	}
	return out
}

func TestKilledBetweenSwitchAndReload(t *testing.T) {
	t.Parallel()
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			b := newBench(t)
			spec := func() *file.Spec {
				s := l.spec(b, "one")
				s.Mode, s.Reload = "0600", []string{"service", "one"}
				return s
			}
			old, next := sinktest.Bundle(t, "example.com"), sinktest.Bundle(t, "example.com")
			was, err := b.put(spec(), old, sinks.Held{})
			b.must(err)
			killed := errors.New("killed")
			dead := false
			work := b.world.Exec
			b.world.Exec = func(context.Context, []string) ([]byte, error) { dead = true; return nil, killed }
			b.dead = func(string, bool) error {
				if dead {
					return killed
				}
				return nil
			}
			if _, err := b.put(spec(), next, was); !errors.Is(err, killed) {
				t.Fatal(err)
			}
			b.dead = nil
			held, err := b.look(spec())
			if err != nil || held.Leaf != next.Leaf() {
				t.Fatalf("after the death: %+v %v", held, err)
			}

			// The service refuses it now: the version before comes back.
			refused := errors.New("refused")
			b.world.Exec = func(context.Context, []string) ([]byte, error) { return nil, refused }
			if _, err := b.put(spec(), next, was); !errors.Is(err, refused) {
				t.Fatal(err)
			}
			held, err = b.look(spec())
			if err != nil || held.Leaf != old.Leaf() || held.Broken != "" {
				t.Fatalf("after the refusal: %+v %v", held, err)
			}

			b.world.Exec = work
			runs := b.ran["one"]
			if held, err = b.put(spec(), next, held); err != nil || held.Leaf != next.Leaf() {
				t.Fatalf("%+v %v", held, err)
			}
			if b.ran["one"] != runs+1 {
				t.Errorf("%d reloads, want 1", b.ran["one"]-runs)
			}
		})
	}
}

// The same over somebody's directory, which comes back as it was.
func TestKilledAfterAnExchange(t *testing.T) {
	b := newBench(t)
	dir := b.path("tls")
	info := b.crowded(dir)
	theirs, next := sinktest.Bundle(t, "example.com"), sinktest.Bundle(t, "example.com")
	writeFour(t, dir, theirs)
	before := tree(t, dir)
	s := &file.Spec{Directory: dir, Reload: []string{"service"}}
	was, err := b.look(s)
	b.must(err)
	killed := errors.New("killed")
	b.world.Exec = func(context.Context, []string) ([]byte, error) {
		b.dead = func(string, bool) error { return killed }
		return nil, killed
	}
	if _, err := b.put(s, next, was); !errors.Is(err, killed) {
		t.Fatal(err)
	}
	b.dead = nil
	b.pair(dir, next)
	b.text(filepath.Join(dir, "README"), "mine")
	refused := errors.New("refused")
	b.world.Exec = func(context.Context, []string) ([]byte, error) { return nil, refused }
	if _, err := b.put(s, next, sinks.Held{}); !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if after := tree(t, dir); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if after, err := os.Stat(filepath.Join(dir, "README")); err != nil || !os.SameFile(info, after) {
		t.Errorf("README: %v", err)
	}
	b.pair(dir, theirs)
}

func TestDeathsLeaveNoLitter(t *testing.T) {
	t.Parallel()
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			b := newBench(t)
			for k := range 25 {
				heal := b.die(k+1, k%2 == 0)
				was, _ := b.look(l.spec(b, "one"))
				_, _ = b.put(l.spec(b, "one"), sinktest.Bundle(t, "example.com"), was)
				heal()
			}
			for range 2 {
				b.renew(l.spec(b, "one"), 1)
			}
			want := 1 // the file
			if l.name == "directory" {
				want = 1 + 1 + 2 + 8 // the link, the shed, two versions of four files
			}
			var all []string
			b.must(filepath.WalkDir(b.dir, func(path string, _ fs.DirEntry, err error) error {
				if path != b.dir && path != b.path("tls") {
					all = append(all, path)
				}
				return err
			}))
			if len(all) != want {
				t.Errorf("%d things are left, want %d:\n%s", len(all), want, strings.Join(all, "\n"))
			}
		})
	}
}
