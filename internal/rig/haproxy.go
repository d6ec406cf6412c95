package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// HAProxyConfig says what an HAProxy begins with.
type HAProxyConfig struct {
	// Certificates are the files that its crt-list names at the start. None:
	// only a self-signed default.pem, which HAProxy shows for unknown names.
	Certificates []HAProxyCertificate
}

// HAProxyCertificate is one line of the crt-list with its file.
type HAProxyCertificate struct {
	File string   // relative to the directory of certificates: "site.pem"
	PEM  []byte   // chain and key; nil: self-signed for Names
	SNI  []string // the filter; none: the names of the certificate itself
}

// HAProxyServer is a running HAProxy, in master-worker mode, with one TLS
// frontend that answers 200 to every request.
type HAProxyServer struct {
	*Process
	Addr    string // of the TLS frontend
	Socket  string // the runtime API, level admin, on a Unix socket
	TCP     string // the same on 127.0.0.1
	Certs   string // the directory of the certificates
	CrtList string // the file, and its name inside HAProxy

	config string
	master string // the master's own runtime API
}

// HAProxy starts haproxy (Debian: haproxy).
func HAProxy(t testing.TB, c HAProxyConfig) *HAProxyServer {
	t.Helper()
	program := Need(t, "haproxy", "haproxy")
	dir := home(t)
	s := &HAProxyServer{
		Addr:    Addr(t),
		TCP:     Addr(t),
		Socket:  filepath.Join(dir, "admin.sock"),
		Certs:   filepath.Join(dir, "certs"),
		CrtList: filepath.Join(dir, "crt-list.txt"),
		config:  filepath.Join(dir, "haproxy.cfg"),
		master:  filepath.Join(dir, "master.sock"),
	}
	s.Process = &Process{Dir: dir, name: "haproxy", ready: s.answers,
		argv: []string{program, "-W", "-S", s.master, "-db", "-f", s.config}}
	if err := os.Mkdir(s.Certs, 0o700); err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	first := HAProxyCertificate{File: "default.pem", PEM: SelfSigned(t, "default.invalid").Combined()}
	for _, one := range append([]HAProxyCertificate{first}, c.Certificates...) {
		if one.PEM == nil {
			one.PEM = SelfSigned(t, one.SNI...).Combined()
		}
		write(t, s.File(one.File), string(one.PEM))
		fmt.Fprintln(&list, strings.Join(append([]string{s.File(one.File)}, one.SNI...), " "))
	}
	write(t, s.CrtList, list.String())
	write(t, s.config, fmt.Sprintf(`global
	stats socket %s level admin mode 600 expose-fd listeners
	stats socket ipv4@%s level admin
	stats timeout 1m
defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
frontend tls
	bind %s ssl crt-list %s
	http-request return status 200 content-type text/plain string ok
`, s.Socket, s.TCP, s.Addr, s.CrtList))
	launch(t, s.Process)
	return s
}

// File is the path, and the name inside HAProxy, of one certificate.
func (s *HAProxyServer) File(name string) string { return filepath.Join(s.Certs, name) }

// Run sends one command to the runtime API and returns its answer, without the
// blank lines around it. A payload is part of the command: "<<\n...\n".
func (s *HAProxyServer) Run(t testing.TB, command string) string {
	t.Helper()
	answer, err := say(context.Background(), s.Socket, command)
	if err != nil {
		verb, _, _ := strings.Cut(command, "\n") // what follows is a key
		t.Fatalf("haproxy: %s: %v", verb, err)
	}
	return answer
}

// Reload reads the files again in a new worker, and returns when that one has
// taken over. What only the old one's memory knew is gone.
func (s *HAProxyServer) Reload(t testing.TB) {
	t.Helper()
	before, err := s.worker(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s.Signal(t, syscall.SIGUSR2)
	s.await(t, "reloads", func(ctx context.Context) error {
		switch now, err := s.worker(ctx); {
		case err != nil:
			return err
		case now == before:
			return fmt.Errorf("worker %d is still there", now)
		}
		return s.answers(ctx)
	})
}

// ReloadCommand does the same from outside, as an administrator's script does;
// it does not wait.
func (s *HAProxyServer) ReloadCommand() []string {
	return []string{"kill", "-USR2", strconv.Itoa(s.Pid())}
}

// TestCommand is HAProxy's own check of its files.
func (s *HAProxyServer) TestCommand() []string {
	return []string{s.argv[0], "-c", "-f", s.config}
}

// answers asks all three faces of it. The master's is the last: it starts itself
// anew after it has started the worker, and a signal for a reload that comes
// before that is lost.
func (s *HAProxyServer) answers(ctx context.Context) error {
	if _, err := say(ctx, s.master, "show proc"); err != nil {
		return err
	}
	if _, err := s.worker(ctx); err != nil {
		return err
	}
	_, err := leaf(ctx, s.Addr, "ready.invalid")
	return err
}

// worker is the process that serves now.
func (s *HAProxyServer) worker(ctx context.Context) (int, error) {
	info, err := say(ctx, s.Socket, "show info")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(info) {
		if pid, ok := strings.CutPrefix(line, "Pid: "); ok {
			return strconv.Atoi(strings.TrimSpace(pid))
		}
	}
	return 0, errors.New("no Pid in show info")
}

func say(ctx context.Context, socket, command string) (string, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, command+"\n"); err != nil {
		return "", err
	}
	// The master answers until its client has nothing more to say.
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	answer := strings.TrimSpace(string(b))
	if err == nil && answer == "" && strings.HasPrefix(command, "show ") {
		err = errors.New("no answer") // closed by a process that was on its way out
	}
	return answer, err
}
