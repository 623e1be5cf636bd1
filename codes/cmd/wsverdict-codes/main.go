// Wsverdict-codes writes the close codes that a Go program sends as a TypeScript module: those of
// package codes, and the program's own, which are its constants of type [codes.Code].
//
//	//go:generate go run github.com/wsverdict/wsverdict/codes/cmd/wsverdict-codes -o web/src/codes.ts .
//
// Usage:
//
//	wsverdict-codes [-o file] [-check] [packages]
//
// Packages are named as for go build; without any it is the one in the current directory. Test files
// are not looked at. A constant's name is the property's, its comment is the text. A constant that
// has the value of a code of package codes is another name for it and is left out.
//
// Behind the codes it writes the slugs of the packages' verdicts, and of those packages of this library
// that they import: every constant that is passed for a parameter named slug, as the one of policy.Close
// is, or that of a function of your own which hands it on.
//
// With -check nothing is written: it fails if the file is not what would be written, and says so.
// Put it into a test or into CI, and the names of the front end cannot drift from the server's.
//
// It needs the go command. What it writes is in the doc comment of [codes.WriteTypeScript].
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/wsverdict/wsverdict/codes"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "wsverdict-codes:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("wsverdict-codes", flag.ContinueOnError)
	out := flags.String("o", "", "write to `file` instead of standard output")
	check := flags.Bool("check", false, "write nothing; fail if the file of -o is not current")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *check && *out == "" {
		return fmt.Errorf("-check needs -o: the file to check")
	}
	patterns := flags.Args()
	if len(patterns) == 0 {
		patterns = []string{"."}
	}
	prog, err := read(patterns)
	if err != nil {
		return err
	}
	var module bytes.Buffer
	if err := codes.WriteTypeScript(&module, prog.own...); err != nil {
		return err
	}
	writeSlugs(&module, prog.slugs)
	switch {
	case *check:
		old, err := os.ReadFile(*out)
		if err != nil {
			return err
		}
		if !bytes.Equal(old, module.Bytes()) {
			return fmt.Errorf("%s is not current: run go generate", *out)
		}
		return nil
	case *out != "":
		return os.WriteFile(*out, module.Bytes(), 0o644)
	}
	_, err = stdout.Write(module.Bytes())
	return err
}
