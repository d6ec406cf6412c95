package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// used is what a process took of the machine.
type used struct {
	Wall time.Duration `json:"wall_ns"`
	CPU  time.Duration `json:"cpu_ns"`
	RSS  int64         `json:"peak_rss_bytes"`
}

// run runs a command to its end. Its wall time is from before it is begun until
// it has been waited for.
//
// A child's peak memory as the kernel tells it is at least that of its parent at
// the moment of the fork, so whatever needs much memory here is done in a child
// of its own.
func run(cmd *exec.Cmd) (used, error) {
	began := time.Now()
	err := cmd.Run()
	u := used{Wall: time.Since(began)}
	if s := cmd.ProcessState; s != nil {
		u.CPU, u.RSS = s.UserTime()+s.SystemTime(), peak(s)
	}
	return u, err
}

// again is this program once more, as one of the other processes: the order is
// its second argument, in JSON.
func again(ctx context.Context, role string, order any) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, role, string(data))
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// answer runs a role to its end and reads its one answer.
func answer(ctx context.Context, role string, order, into any) (used, error) {
	cmd, err := again(ctx, role, order)
	if err != nil {
		return used{}, err
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	u, err := run(cmd)
	if err != nil {
		return u, fmt.Errorf("%s: %w", role, err)
	}
	return u, json.Unmarshal(out.Bytes(), into)
}

// server is a role that runs until its input ends.
type server struct {
	cmd *exec.Cmd
	in  io.Closer
	out io.Reader
}

func serve(ctx context.Context, role string, order any) (*server, error) {
	cmd, err := again(ctx, role, order)
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("begin the %s: %w", role, err)
	}
	return &server{cmd, in, out}, nil
}

func (s *server) end() error {
	s.in.Close()
	return s.cmd.Wait()
}
