// Package child runs copies of this program as processes of their own: what a server takes is then its own, and what its clients
// take is not counted.
package child

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

const variable = "WSVERDICT_BENCH_CHILD"

// A Role is what a copy does. commands are the lines that [Process.Send] writes. The copy ends when its role returns, and when the
// program that started it is gone.
type Role func(args []string, commands <-chan string) error

type order struct {
	Role string
	Args []string
}

// Main is called first in main: in a copy of the program it does the work of the copy's role, and never returns.
func Main(roles ...map[string]Role) {
	var o order
	if json.Unmarshal([]byte(os.Getenv(variable)), &o) != nil {
		return
	}
	role := func([]string, <-chan string) error { return fmt.Errorf("child: no role %q", o.Role) }
	for _, r := range roles {
		if f, ok := r[o.Role]; ok {
			role = f
		}
	}
	commands := make(chan string)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			commands <- lines.Text()
		}
		os.Exit(1) // who started us is gone
	}()
	if err := role(o.Args, commands); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A Process is a copy that was started.
type Process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

// Start starts a copy in a role. Its standard error is ours.
func Start(role string, args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o, err := json.Marshal(order{role, args})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), variable+"="+string(o))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &Process{cmd, in, bufio.NewScanner(out)}, cmd.Start()
}

// Send writes a command.
func (p *Process) Send(command string) error {
	_, err := io.WriteString(p.in, command+"\n")
	return err
}

// Line returns the next line that the process prints, io.EOF behind the last.
func (p *Process) Line() (string, error) {
	if p.lines.Scan() {
		return p.lines.Text(), nil
	}
	if err := p.lines.Err(); err != nil {
		return "", err
	}
	return "", io.EOF
}

// Await returns an error unless the next line is want.
func (p *Process) Await(want string) error {
	if got, err := p.Line(); err != nil || got != want {
		return fmt.Errorf("child: got the line %q, error %v, want %q", got, err, want)
	}
	return nil
}

// Wait waits until the process has ended by itself. All of its lines have been read.
func (p *Process) Wait() error { return p.cmd.Wait() }

// Kill ends it now.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}
