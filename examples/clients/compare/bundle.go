package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

// A bundle is what bundle.mjs prints.
type bundle struct {
	Script  string
	Clients map[string]weight // by npm package
}

type weight struct {
	Version           string
	Minified, Gzipped int // bytes
}

// errMissing is wrapped by an error that says what to install.
var errMissing = errors.New("something to install is missing")

// installed says whether all is there that a comparison needs. folder is where this file is.
func installed(folder string) error {
	var missing []error
	if _, closeTab, err := chrome.Open(); err == nil {
		closeTab()
	} else if errors.Is(err, chrome.ErrMissing) {
		missing = append(missing, err)
	} else {
		return err
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing = append(missing, errors.New("no node found"))
	}
	if _, err := os.Stat(filepath.Join(folder, "../node_modules/esbuild")); err != nil {
		missing = append(missing, errors.New("no npm packages: npm ci --prefix examples/clients"))
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errMissing, errors.Join(missing...))
}

// newBundle has Node make it. folder is where this file is.
func newBundle(ctx context.Context, folder string) (b bundle, err error) {
	cmd := exec.CommandContext(ctx, "node", "bundle.mjs")
	cmd.Dir = folder
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return b, fmt.Errorf("node bundle.mjs: %w\n%s", err, &stderr)
	}
	return b, json.Unmarshal(out, &b)
}
