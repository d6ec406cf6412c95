package rig

import "syscall"

// attributes: a group of its own, so that all of it can be ended; and its end
// with ours, so that a test that was killed leaves no server behind.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
