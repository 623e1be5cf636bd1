package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
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

// newBundle has Node make it. folder is where this file is.
func newBundle(ctx context.Context, folder string) (b bundle, err error) {
	cmd := exec.CommandContext(ctx, "node", "bundle.mjs")
	cmd.Dir = folder
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return b, fmt.Errorf("node bundle.mjs: %w (npm ci in examples/clients?)\n%s", err, &stderr)
	}
	return b, json.Unmarshal(out, &b)
}
