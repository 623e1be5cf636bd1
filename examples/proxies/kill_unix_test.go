//go:build unix

package proxies

import (
	"os/exec"
	"syscall"
)

// alone gives a program a process group of its own: nginx and Apache have workers, who outlive a master that is killed.
func alone(program *exec.Cmd) { program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killAll kills a program with its workers.
func killAll(program *exec.Cmd) { _ = syscall.Kill(-program.Process.Pid, syscall.SIGKILL) }
