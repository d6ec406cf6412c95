//go:build unix

package world

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// OwnGroup has a program lead a process group: the end of its context ends all
// that it started with it, and an interrupt of the terminal, which is meant for
// this process, does not reach it.
func OwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
}

func killGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
