package main

import (
	"context"
	"flag"
	"os"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

var (
	picture = flag.String("picture", "", "write a picture of the page, with all cases run, to this `file`")
	width   = flag.Int64("width", 1200, "the picture's width")
	scheme  = flag.String("scheme", "light", "light or dark")
	opened  = flag.String("opened", "expired", "the case that is opened")
)

// TestPicture makes the README's picture:
//
//	go test ./examples/playground -run TestPicture -picture "$PWD/docs/playground.png"
func TestPicture(t *testing.T) {
	if *picture == "" {
		t.Skip("no -picture")
	}
	tab := chrome.Tab(t)
	setScheme := func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: *scheme}},
		})
		return err
	}
	err := chromedp.Do(tab,
		chromedp.Func(setScheme),
		chromedp.EmulateViewport(*width, 900),
		chromedp.Navigate("http://"+start(t)),
		chromedp.Click("#all"),
		until(allHaveRun),
		chromedp.Click("#"+*opened+" .more"),
	)
	if err != nil {
		t.Fatal(err)
	}
	png, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*picture, png, 0o644); err != nil {
		t.Fatal(err)
	}
}
