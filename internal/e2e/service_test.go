package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// servicesName is the first argument with which this binary is a service that
// a sink tests and reloads, instead of the tests.
const servicesName = "service"

// service plays one command of a service:
//
//	check FROM         does the pair in FROM fit?
//	load FROM TO       begin to use what is in FROM: TO is a copy, TO.log gets a line
//	gate FROM TO GATE  load; the first waits for GATE.open when it has made GATE.passed
//	snapshot FROM TO   the same for all directories in FROM: TO has their serials
//	note TO            only the line
//	fail WHEN          it is broken
//	dns ADDR KEY ALG   the program of dns "exec", at a name server
func service(args []string) int {
	err := errors.New("a service does check, load, gate, snapshot, note, fail or dns")
	switch {
	case args[0] == "check" && len(args) == 2:
		_, _, err = pairIn(args[1])
	case args[0] == "load" && len(args) == 3:
		err = load(args[1], args[2])
	case args[0] == "gate" && len(args) == 4:
		err = gate(args[1], args[2], args[3])
	case args[0] == "snapshot" && len(args) == 3:
		err = snapshot(args[1], args[2])
	case args[0] == "note" && len(args) == 2:
		err = locked(args[1], func() ([]byte, error) { return nil, nil })
	case args[0] == "fail":
		err = errors.New("configuration test failed")
	case args[0] == "dns" && len(args) == 4:
		err = program(args[1], args[2], args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// load copies a pair.
func load(from, to string) error {
	return locked(to, func() ([]byte, error) {
		_, chain, err := pairIn(from)
		return chain, err
	})
}

// gate is load for a service that hangs once.
func gate(from, to, name string) error {
	f, err := os.OpenFile(name+".passed", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return load(from, to)
	}
	if err != nil {
		return err
	}
	f.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < 2*patience; <-tick.C {
		if _, err := os.Stat(name + ".open"); err == nil {
			return load(from, to)
		}
	}
	return errors.New("nobody opened the gate")
}

// locked writes a file by one rename and adds a line to its log. It holds a
// lock, for a killed apply leaves a load behind that may still be under way
// when the next one begins.
func locked(to string, content func() ([]byte, error)) error {
	lock, err := os.OpenFile(to+".log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	data, err := content()
	if err != nil {
		return err
	}
	if err := os.WriteFile(to+".new", data, 0o600); err != nil {
		return err
	}
	if err := os.Rename(to+".new", to); err != nil {
		return err
	}
	_, err = lock.WriteString("loaded\n")
	return err
}

// pairIn reads a pair: of a directory, which is resolved once, or of a combined
// file. The error says if they do not fit.
func pairIn(path string) (*tls.Certificate, []byte, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, nil, err
	}
	chainFile, keyFile := real, real
	if info.IsDir() {
		chainFile, keyFile = filepath.Join(real, "fullchain.pem"), filepath.Join(real, "privkey.pem")
	}
	chain, err := os.ReadFile(chainFile)
	if err != nil {
		return nil, nil, err
	}
	key := chain
	if keyFile != chainFile {
		if key, err = os.ReadFile(keyFile); err != nil {
			return nil, nil, err
		}
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", real, err)
	}
	return &pair, chain, nil
}

// leafIn is the leaf of the pair at a path.
func leafIn(t testing.TB, path string) *x509.Certificate {
	t.Helper()
	pair, _, err := pairIn(path)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

// leafOf is the first certificate of a PEM file.
func leafOf(t testing.TB, file string) *x509.Certificate {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		t.Fatalf("%s holds no PEM", file)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// serve is an HTTPS endpoint that shows, at each handshake, what choose returns
// for the server name.
func serve(t testing.TB, choose func(name string) (*tls.Certificate, error)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		Handler:           http.NotFoundHandler(),
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return choose(h.ServerName)
		}},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.ServeTLS(l, "", "") // ends with ErrServerClosed
	}()
	t.Cleanup(func() {
		srv.Close()
		<-ended
	})
	return l.Addr().String()
}

// serveFrom is an endpoint that shows the pair at a path, read at each handshake.
func serveFrom(t testing.TB, path string) (addr string) {
	t.Helper()
	return serve(t, func(string) (*tls.Certificate, error) {
		pair, _, err := pairIn(path)
		return pair, err
	})
}

// endpoint is a block for an address.
func endpoint(addr string, names ...string) string {
	host, port, _ := net.SplitHostPort(addr)
	return fmt.Sprintf(`  endpoint {
    address      = %q
    port         = %s
    server_names = %s
    within       = "10s"
  }
`, host, port, argv(names...))
}

// What failed and was mended outside is not told any more once an apply has
// seen so, though that has nothing to do.
func TestMendedOutside(t *testing.T) {
	t.Parallel()
	w := newTown(t, "mended.test")
	d := newDesk(t)
	var broken atomic.Bool
	broken.Store(true)
	addr := serve(t, func(string) (*tls.Certificate, error) {
		if broken.Load() {
			return nil, errors.New("not now")
		}
		pair, _, err := pairIn(d.path("tls"))
		return pair, err
	})
	d.config(w.config(d), `sink "file" "web" {
  directory = "tls"
`+strings.Replace(endpoint(addr, "mended.test"), "10s", "1s", 1)+`}
certificate "site" {
  names = ["mended.test"]
  sinks = [sink.file.web]
}
`)
	d.want(3, "apply", "-auto-approve")
	d.want(0, "status").says(t, "1 try failed")
	broken.Store(false)
	d.want(0, "plan", "-detailed-exitcode")
	d.want(0, "status").says(t, "1 try failed") // a plan changes nothing
	d.want(0, "apply", "-auto-approve").says(t, "No changes")
	if r := d.want(0, "status"); strings.Contains(r.String(), "failed") || !strings.Contains(r.String(), "1 at rest") {
		t.Errorf("it still tells of what is over: %s", r)
	}
	before := d.read(stateFile)
	d.want(0, "apply", "-auto-approve")
	if !bytes.Equal(before, d.read(stateFile)) {
		t.Error("the next apply wrote the state")
	}
}
