package local_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/local"
	"github.com/certform/certform/orchestrator/world"
)

// roleVar makes the test binary play another process.
const roleVar = "CERTFORM_LOCAL_TEST_ROLE"

func TestMain(m *testing.M) {
	roles := map[string]func(path string) error{"count": count, "dump": dump, "watch": watch, "comeandgo": comeAndGo}
	role, ok := os.LookupEnv(roleVar)
	if !ok {
		os.Exit(m.Run())
	}
	if err := roles[role](os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err, world.Advice(err))
		os.Exit(1)
	}
}

// process is the test binary in a role.
type process struct {
	lines chan string  // what it printed; closed when it ended
	kill  func() error // -9
	stop  func() error // asks it to end and waits for it
}

func start(t *testing.T, role, path string) process {
	t.Helper()
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), roleVar+"="+role, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // open until it should end
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := process{lines: make(chan string, 1<<20), kill: cmd.Process.Kill}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	p.stop = sync.OnceValue(func() error {
		in.Close()
		<-read
		return cmd.Wait()
	})
	t.Cleanup(func() { p.kill(); p.stop() })
	return p
}

// reach waits for n lines and returns those that came.
func (p process) reach(n int) (lines []string) {
	for range n {
		line, ok := <-p.lines
		if !ok {
			break
		}
		lines = append(lines, line)
	}
	return lines
}

// ended is closed when the parent closes our standard input, or dies.
func ended() <-chan struct{} {
	c := make(chan struct{})
	go func() { io.Copy(io.Discard, os.Stdin); close(c) }()
	return c
}

var counters = []string{"n/a", "n/b", "n/c"}

// count adds one to each counter again and again, on several goroutines, and
// says each acknowledged write on standard output: "KEY VALUE".
func count(path string) error {
	end := ended()
	s, err := local.Open(context.Background(), path, local.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	var mu sync.Mutex
	errs := make([]error, 2*len(counters))
	var wg sync.WaitGroup
	for i := range errs {
		key := counters[i%len(counters)]
		wg.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				n, err := increment(s, key)
				if errors.Is(err, state.ErrConflict) {
					continue
				}
				if err != nil {
					errs[i] = err
					return
				}
				mu.Lock()
				fmt.Println(key, n)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func increment(s state.Store, key string) (int, error) {
	e, err := s.Get(context.Background(), key)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(e.Data))
	if err != nil {
		return 0, err
	}
	// Ballast, so that the log is written back often.
	e.Data = []byte(strconv.Itoa(n + 1))
	if _, err = s.Put(context.Background(), e); err != nil {
		return 0, err
	}
	ballast := state.Entry{Key: fmt.Sprintf("ballast/%d-%s-%d", os.Getpid(), key[2:], n), Data: make([]byte, 20<<10)}
	_, err = s.Put(context.Background(), ballast)
	return n + 1, err
}

func begin(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, local.Options{})
	for _, k := range counters {
		put(t, s, k, "0", "")
	}
	s.Close()
	return path
}

// Several processes hammer one file, one after another is killed in the
// middle: no acknowledged write is lost, none is made twice, the file is whole.
func TestKilledProcesses(t *testing.T) {
	path := begin(t)
	acks := map[string]int{}
	said := func(lines []string) {
		for _, line := range lines {
			acks[line]++
		}
	}
	const kills = 4
	first, second := start(t, "count", path), start(t, "count", path)
	for range kills {
		victim := start(t, "count", path)
		said(victim.reach(25))
		victim.kill()
		said(victim.reach(1 << 20))
		victim.stop()
	}
	for _, p := range []process{first, second} {
		said(p.reach(40))
		if err := p.stop(); err != nil {
			t.Errorf("a process that was not killed: %v", err)
		}
		said(p.reach(1 << 20))
	}

	s := open(t, path, local.Options{})
	total := 0
	for _, key := range counters {
		e, err := s.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		last, err := strconv.Atoi(string(e.Data))
		if err != nil {
			t.Fatal(err)
		}
		here := 0
		for n := 1; n <= last; n++ {
			here += acks[fmt.Sprintf("%s %d", key, n)]
		}
		total += here
		// A killed process may have written one value a goroutine that it
		// could not say any more.
		if missing := last - here; missing < 0 || missing > 2*kills {
			t.Errorf("%s is %d, %d of its values were acknowledged", key, last, here)
		}
	}
	all := 0
	for line, times := range acks {
		all += times
		if times > 1 {
			t.Errorf("%q was acknowledged %d times: an update was lost", line, times)
		}
	}
	if all != total {
		t.Errorf("%d writes were acknowledged, %d of them are there", all, total)
	}
	if all < 100 {
		t.Errorf("only %d writes: nothing was tried", all)
	}
	s.Close()
	var ok string
	if err := direct(t, path).QueryRow("PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
		t.Errorf("integrity check: %s, %v", ok, err)
	}
}

// dump prints what a reader sees: "KEY DATA" lines.
func dump(path string) error {
	s, err := local.Open(context.Background(), path, local.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer s.Close()
	for e, err := range s.List(context.Background(), state.Query{}) {
		if err != nil {
			return err
		}
		if got, err := s.Get(context.Background(), e.Key); err != nil || string(got.Data) != string(e.Data) {
			return fmt.Errorf("Get says %q, %v; List %q", got.Data, err, e.Data)
		}
		fmt.Println(e.Key, string(e.Data))
	}
	if _, err := s.Put(context.Background(), state.Entry{Key: "k"}); !errors.Is(err, state.ErrReadOnly) {
		return fmt.Errorf("Put: %v", err)
	}
	if err := s.Delete(context.Background(), "k"); !errors.Is(err, state.ErrReadOnly) {
		return fmt.Errorf("Delete: %v", err)
	}
	return nil
}

// asNobody runs a role without any right that the mode bits do not give: as
// another user where the tests run as root.
func asNobody(t *testing.T, role, path string) (stdout, stderr string, err error) {
	t.Helper()
	binary := os.Args[0]
	cmd := exec.Command(binary, path)
	if os.Getuid() == 0 {
		dir := t.TempDir()
		for _, d := range []string{dir, filepath.Dir(dir)} {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		data := read(t, binary)
		cmd.Path = filepath.Join(dir, "reader")
		if err := os.WriteFile(cmd.Path, data, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), roleVar+"="+role, "GORACE=atexit_sleep_ms=0")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.String(), said.String(), err
}

// What plan needs: a reader with no right to write, whatever state the last
// writer left the files in, sees everything and leaves nothing.
func TestReaderWithoutRights(t *testing.T) {
	const wants = "in-the-file 1\nin-the-log 2\n"
	for _, c := range []struct {
		name  string
		alive bool     // a writer has the file open
		crash bool     // the files are as a killed writer leaves them
		gone  []string // suffixes removed
		mode  map[string]os.FileMode
		says  string // the error, "" for none
	}{
		{name: "at rest"},
		{name: "writer at work", alive: true},
		{name: "writer was killed", crash: true},
		{name: "log without index", crash: true, gone: []string{"-shm"}},
		{name: "index may not be read", crash: true, mode: map[string]os.FileMode{"-shm": 0}},
		{name: "writer at work, index may not be read", alive: true, mode: map[string]os.FileMode{"-shm": 0}},
		{name: "log may not be read", crash: true, mode: map[string]os.FileMode{"-wal": 0}, says: "permission denied"},
		{name: "file may not be read", mode: map[string]os.FileMode{"": 0}, says: "see who owns"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.db")
			s := open(t, path, local.Options{})
			put(t, s, "in-the-file", "1", "")
			s.Close()
			s = open(t, path, local.Options{})
			put(t, s, "in-the-log", "2", "")
			if c.crash {
				at := filepath.Join(dir, "left")
				if err := os.Mkdir(at, 0o700); err != nil {
					t.Fatal(err)
				}
				for _, suffix := range []string{"", "-wal", "-shm"} {
					write(t, filepath.Join(at, "state.db"+suffix), read(t, path+suffix))
				}
				path = filepath.Join(at, "state.db")
			}
			if !c.alive {
				s.Close()
			}
			for _, suffix := range c.gone {
				if err := os.Remove(path + suffix); err != nil {
					t.Fatal(err)
				}
			}
			for _, suffix := range []string{"", "-wal", "-shm"} {
				mode, ok := c.mode[suffix]
				if !ok {
					mode = 0o444
				}
				if err := os.Chmod(path+suffix, mode); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
			for _, d := range []string{dir, filepath.Dir(path), filepath.Dir(dir)} {
				if err := os.Chmod(d, 0o555); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { os.Chmod(d, 0o700) })
			}
			before := beside(t, path)
			out, said, err := asNobody(t, "dump", path)
			if c.says != "" {
				if err == nil || !strings.Contains(said, c.says) || !strings.Contains(said, path) {
					t.Errorf("%q, %v; want an error that says %q", said, err, c.says)
				}
			} else if err != nil || out != wants {
				t.Errorf("reader: %q, %v, %s; want %q", out, err, said, wants)
			}
			if after := beside(t, path); !slices.Equal(before, after) {
				t.Errorf("files before %q, after %q", before, after)
			}
		})
	}
}
