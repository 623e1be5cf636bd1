package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

// enter opens the page in a tab of its own, and joins a room by keyboard alone.
func (s *server) enter(t *testing.T, user, room string) (tab context.Context) {
	t.Helper()
	tab = chrome.Tab(t)
	do(t, tab, chromedp.Navigate("http://"+s.addr), until(`document.activeElement.id === "user"`))
	do(t, tab, chromedp.KeyEvent(user+kb.Tab), chromedp.KeyEvent(room+kb.Enter))
	do(t, tab, says("#state", "Connected as "+user))
	return tab
}

func do(t *testing.T, tab context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, steps...); err != nil {
		t.Fatal(err)
	}
}

// until waits until a script's expression is true; the tab's own deadline bounds it.
func until(expression string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(0))
}

func says(selector, text string) chromedp.Action[chromedp.Void] {
	return until(fmt.Sprintf(`document.querySelector(%q)?.textContent.includes(%q)`, selector, text))
}

func TestPageTalks(t *testing.T) {
	s := start(t)
	bob := s.join(t, "bob", "lobby")
	tab := s.enter(t, "ada", "lobby")
	const text = `<b>hi</b> & "bye": ünï`
	do(t, tab, until(`document.activeElement.id === "text"`), chromedp.KeyEvent(text+kb.Enter))
	bob.hears(t, "ada: "+text)
	do(t, tab, says("#lines .me:last-child", "ada"+text))
	bob.say(t, "welcome")
	do(t, tab, says("#lines li:last-child", "bobwelcome"))
}

// TestPageObeys: the page stops when it is told to stop, and comes back when it is told to come back.
func TestPageObeys(t *testing.T) {
	s := start(t)
	ada, bob := s.enter(t, "ada", "lobby"), s.enter(t, "bob", "lobby")
	s.admin(t, http.MethodPost, "/ban/bob")
	do(t, bob, says("#state", "You are banned. Trying again would not help."), says("#lines", "4403 banned stop"))

	s.admin(t, http.MethodPost, "/maintenance")
	do(t, ada, says("#state", "The chat is under maintenance. Trying again in "), says("#lines", "4503 maintenance backoff"))
	s.admin(t, http.MethodDelete, "/maintenance")
	do(t, ada, says("#state", "Connected as ada"))
	if log, err := s.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("%v, want exit code 0; it wrote\n%s", err, log)
	}
	do(t, ada, says("#lines", "4503 restart reconnect"))
}

// TestPagePhone fills the page on the narrowest screen: nothing may stick out.
func TestPagePhone(t *testing.T) {
	s := start(t)
	tab := s.enter(t, "ada", "lobby")
	bob := s.join(t, "bob", "lobby")
	bob.say(t, strings.Repeat("x", 300))
	s.admin(t, http.MethodPost, "/ban/ada")
	do(t, tab, chromedp.EmulateViewport(320, 640), says("#lines", "4403"))
	const out = `[...document.querySelectorAll("body *:not(.sr)")].filter((e) => e.getBoundingClientRect().right > 320).length`
	sticking, err := chromedp.Run(tab, chromedp.Evaluate[int](out))
	if err != nil || sticking > 0 {
		t.Errorf("%d elements stick out (%v)", sticking, err)
	}
}

var (
	picture = flag.String("picture", "", "write a picture of the page to this `file`")
	width   = flag.Int64("width", 900, "the picture's width")
	scheme  = flag.String("scheme", "light", "light or dark")
	outside = flag.Bool("outside", false, "before joining")
)

func TestPicture(t *testing.T) {
	if *picture == "" {
		t.Skip("no -picture")
	}
	s := start(t)
	tab := chrome.Tab(t)
	setScheme := func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: *scheme}},
		})
		return err
	}
	do(t, tab, chromedp.Func(setScheme), chromedp.EmulateViewport(*width, 640), chromedp.Navigate("http://"+s.addr))
	if !*outside {
		bob := s.join(t, "bob", "lobby")
		do(t, tab, chromedp.KeyEvent("ada"+kb.Enter), says("#state", "Connected"), chromedp.KeyEvent("Is anybody here?"+kb.Enter))
		bob.hears(t, "ada: Is anybody here?")
		bob.say(t, "I am. They are about to throw you out, I am afraid: look at the line below this one.")
		do(t, tab, says("#lines", "I am"))
		s.admin(t, http.MethodPost, "/ban/ada")
		do(t, tab, says("#lines", "4403"))
	}
	png, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*picture, png, 0o644); err != nil {
		t.Fatal(err)
	}
}
