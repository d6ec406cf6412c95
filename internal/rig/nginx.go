package rig

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// NGINXConfig says what an nginx begins with.
type NGINXConfig struct {
	Sites []Site // none: only a self-signed site for unknown names
}

// Site is one server block. Its files must be there when nginx starts or
// reloads; SelfSigned makes some.
type Site struct {
	Names       []string
	Certificate string // path of the chain, PEM
	Key         string // path of the key, PEM
}

// NGINXServer is a running nginx that serves https from files and answers every
// request with 200 and the number of the worker process.
type NGINXServer struct {
	*Process
	Addr string

	config string
}

// NGINX starts nginx (Debian: nginx-light).
func NGINX(t testing.TB, c NGINXConfig) *NGINXServer {
	t.Helper()
	program := Need(t, "nginx", "nginx-light")
	dir := home(t)
	s := &NGINXServer{Addr: Addr(t), config: filepath.Join(dir, "nginx.conf")}
	s.Process = &Process{Dir: dir, name: "nginx", ready: s.answers,
		argv: []string{program, "-p", dir, "-e", "stderr", "-c", s.config}}
	pair := SelfSigned(t, "default.invalid")
	fallback := Site{Names: []string{"_"}, Certificate: filepath.Join(dir, "default.crt"), Key: filepath.Join(dir, "default.key")}
	write(t, fallback.Certificate, string(pair.Cert))
	write(t, fallback.Key, string(pair.Key))
	s.configure(t, append([]Site{fallback}, c.Sites...))
	launch(t, s.Process)
	return s
}

// Reload reads the files again by HUP and returns when the old worker has
// stopped to accept connections.
func (s *NGINXServer) Reload(t testing.TB) {
	t.Helper()
	old, err := s.worker(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s.Signal(t, syscall.SIGHUP)
	s.await(t, "reloads", func(ctx context.Context) error {
		// The new worker and the old one accept side by side for a moment.
		if !strings.Contains(s.Log(t), old+"#"+old+": gracefully shutting down") {
			return fmt.Errorf("worker %s is still there", old)
		}
		now, err := s.worker(ctx)
		if err == nil && now == old {
			err = fmt.Errorf("worker %s still answers", old)
		}
		return err
	})
}

// ReloadCommand does the same from outside, as an administrator's script does;
// it does not wait.
func (s *NGINXServer) ReloadCommand() []string {
	return append(append([]string{}, s.argv...), "-s", "reload")
}

// TestCommand is nginx's own check of its files.
func (s *NGINXServer) TestCommand() []string {
	return append(append([]string{}, s.argv...), "-t")
}

func (s *NGINXServer) configure(t testing.TB, sites []Site) {
	t.Helper()
	var b strings.Builder
	b.WriteString(`daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
`)
	for i, site := range sites {
		flag := ""
		if i == 0 {
			flag = " default_server"
		}
		fmt.Fprintf(&b, `	server {
		listen %s ssl%s;
		server_name %s;
		ssl_certificate "%s";
		ssl_certificate_key "%s";
		location / { default_type text/plain; return 200 "$pid\n"; }
	}
`, s.Addr, flag, strings.Join(site.Names, " "), site.Certificate, site.Key)
	}
	b.WriteString("}\n")
	write(t, s.config, b.String())
}

func (s *NGINXServer) answers(ctx context.Context) error {
	_, err := s.worker(ctx)
	return err
}

// worker is the number of the process that answered, over a connection of its own.
func (s *NGINXServer) worker(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DialContext:       (&net.Dialer{}).DialContext,
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.Addr+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("nginx answers %s", resp.Status)
	}
	return strings.TrimSpace(string(body)), err
}
