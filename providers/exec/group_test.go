//go:build unix

package exec_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/exec"
)

// A program ends with all that it started, and leaves no zombie, when it is
// stopped and also when it ends by itself.
func TestGroup(t *testing.T) {
	for _, c := range []struct {
		about string
		more  []string
	}{{"stopped", nil}, {"by itself", []string{"ends"}}} {
		t.Run(c.about, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			p := open(t, exec.Spec{Command: command(t, append([]string{"parent", l.Addr().String()}, c.more...)...)})
			ended := make(chan error, 1)
			go func() { ended <- p.(providers.Changer).Change(ctx, "example.com.", add, nil) }()
			child, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer child.Close()
			if c.more == nil {
				stop(errors.New("enough"))
			}
			if _, err := child.Read(make([]byte, 1)); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the child lives: %v", err)
			}
			switch err := <-ended; {
			case c.more != nil && err != nil:
				t.Error(err)
			case c.more == nil && (err == nil || !strings.Contains(err.Error(), "enough")):
				t.Errorf("error %v", err)
			}
			var status syscall.WaitStatus
			if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
				t.Errorf("process %d is not waited for: %v", pid, err)
			}
		})
	}
}
