//go:build unix

package world

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// ownGroup has a program lead a process group, so that what it starts can be
// ended with it, and so that an interrupt of the terminal does not reach it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
