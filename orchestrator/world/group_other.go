//go:build !unix

package world

import "os/exec"

// OwnGroup does nothing: there are no process groups here.
func OwnGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
