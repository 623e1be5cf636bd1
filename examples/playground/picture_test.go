package main

import (
	"bytes"
	"context"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"slices"
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
	shot, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	small, err := shrink(shot)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*picture, small, 0o644); err != nil {
		t.Fatal(err)
	}
}

// shrink makes a PNG smaller: the 256 colours that are used most are enough for a page of text.
func shrink(shot []byte) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return nil, err
	}
	used := map[color.Color]int{}
	bounds := full.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			used[full.At(x, y)]++
		}
	}
	palette := slices.SortedFunc(maps.Keys(used), func(a, b color.Color) int { return used[b] - used[a] })
	small := image.NewPaletted(bounds, palette[:min(len(palette), 256)])
	draw.Draw(small, bounds, full, bounds.Min, draw.Src)
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	err = encoder.Encode(&out, small)
	return out.Bytes(), err
}
