// Command compare has clients of npm meet the same faults, in a real Chromium and against servers of this
// library, and writes docs/client-comparison.md. It needs chromium, node, and once: npm ci --prefix examples/clients.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

func main() {
	out := flag.String("o", "docs/client-comparison.md", "the file to write; - prints")
	folder := flag.String("folder", "examples/clients/compare", "where this command's source is")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *folder, *out)
	stop()
	chrome.Stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, folder, out string) error {
	begun, load := time.Now(), loadNow()
	if err := installed(folder); err != nil {
		return err
	}
	b, err := newBundle(ctx, folder)
	if err != nil {
		return err
	}
	refused, err := wave(ctx, clients, refusals, []byte(b.Script), full)
	if err != nil {
		return err
	}
	d := document{bundle: b, load: load, setting: full, refused: refused}
	for _, f := range restarts { // one after the other: their pages have work to do
		results, err := wave(ctx, clients, []fault{f}, []byte(b.Script), full)
		if err != nil {
			return err
		}
		d.restarted = append(d.restarted, results...)
	}
	text := d.render(begun)
	if out == "-" {
		_, err := os.Stdout.Write(text)
		return err
	}
	return os.WriteFile(out, text, 0o644)
}
