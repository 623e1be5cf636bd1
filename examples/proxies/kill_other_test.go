//go:build !unix

package proxies

import "os/exec"

func alone(*exec.Cmd) {}

func killAll(program *exec.Cmd) { _ = program.Process.Kill() }
