package rig

import (
	"context"
	"net/http"
	"os"
	"testing"
)

// MotoServer is a running moto_server: AWS's Route 53, S3, STS, KMS, ACM and
// more, as somebody else understood them. It is kinder than AWS: any
// credentials are good, changes are INSYNC at once, nothing is throttled.
type MotoServer struct {
	*Process
	URL string // the endpoint of every service
}

// Moto starts moto_server (no Debian package: pip install 'moto[server]').
func Moto(t testing.TB) *MotoServer {
	t.Helper()
	program := Need(t, "moto_server", "pip install 'moto[server]'")
	dir := home(t)
	addr := Addr(t)
	s := &MotoServer{URL: "http://" + addr}
	s.Process = &Process{Dir: dir, name: "moto_server", ready: s.answers,
		argv: []string{program, "-H", "127.0.0.1", "-p", portOf(addr)},
		// The real home: pip --user has put the modules there.
		env: append(s.Env(), "HOME="+os.Getenv("HOME"), "PYTHONDONTWRITEBYTECODE=1")}
	launch(t, s.Process)
	return s
}

// Env is what a process needs in its environment to take moto for AWS.
func (s *MotoServer) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.URL,
		"AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
		"AWS_SECRET_ACCESS_KEY=rig",
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}
}

// Reset makes moto forget everything.
func (s *MotoServer) Reset(t testing.TB) {
	t.Helper()
	if _, err := call(context.Background(), http.DefaultClient, http.MethodPost, s.URL+"/moto-api/reset", nil, nil); err != nil {
		t.Fatalf("reset moto: %v", err)
	}
}

func (s *MotoServer) answers(ctx context.Context) error {
	_, err := call(ctx, http.DefaultClient, http.MethodGet, s.URL+"/moto-api/data.json", nil, nil)
	return err
}
