package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

// enter opens the page in a tab of its own and signs in.
func (s *server) enter(t *testing.T, user, tenant, by string) (tab context.Context) {
	t.Helper()
	tab = chrome.Tab(t)
	do(t, tab, chromedp.Navigate("http://"+s.addr))
	s.submit(t, tab, user, tenant, by)
	return tab
}

func (s *server) submit(t *testing.T, tab context.Context, user, tenant, by string) {
	t.Helper()
	for name, value := range map[string]string{"user": user, "tenant": tenant, "by": by} {
		do(t, tab, chromedp.Click(fmt.Sprintf("input[name=%s][value=%q]", name, value)))
	}
	do(t, tab, chromedp.Click("#enter button"))
}

func do(t *testing.T, tab context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, steps...); err != nil {
		t.Fatal(err)
	}
}

// says waits until an element has a text; the tab's own deadline bounds it.
func says(selector, text string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](fmt.Sprintf(`document.querySelector(%q)?.textContent.includes(%q)`, selector, text), chromedp.WithPollingTimeout(0))
}

func TestPageIsAdmitted(t *testing.T) {
	s := start(t)
	for _, by := range []string{"token", "cookie", "ticket"} {
		t.Run(by, func(t *testing.T) {
			tab := s.enter(t, "acme/bob", "acme", by)
			do(t, tab, says("#state", "Live"))
			s.call(t, "PUT", "/t/acme/figures/orders", "4321", "X-Api-Key", s.apiKey)
			do(t, tab, says(`[data-name="orders"] p`, "4,321"))
			do(t, tab, chromedp.SendKeys("#text", "hi by "+by), chromedp.Click("#note button"), says("#notes li:last-child", "bobhi by "+by))
		})
	}
}

func TestPageIsRefused(t *testing.T) {
	s := start(t)
	for _, by := range []string{"token", "cookie", "ticket"} {
		t.Run(by, func(t *testing.T) {
			tab := s.enter(t, "globex/eve", "acme", by)
			do(t, tab, says("#state", "These are not your company's figures. Trying again would not help."), says("#log", "4403 wrong_tenant stop"))
		})
	}
}

// TestPageRenews: the page is asked for a new token 30 seconds before the old one ends, and stays.
func TestPageRenews(t *testing.T) {
	s := start(t, life+"=32s")
	for _, by := range []string{"token", "cookie", "ticket"} {
		t.Run(by, func(t *testing.T) {
			tab := s.enter(t, "acme/bob", "acme", by)
			twice := `document.querySelector("#log").textContent.split("renewed until").length > 2`
			do(t, tab, chromedp.Poll[chromedp.Void](twice, chromedp.WithPollingTimeout(0)))
			log, err := chromedp.Run(tab, chromedp.Evaluate[string](`document.querySelector("#log").textContent`))
			if err != nil || strings.Contains(log, "closed") || strings.Count(log, "open") != 1 {
				t.Errorf("it was not the same connection: %q (%v)", log, err)
			}
		})
	}
}

// TestPageObeys: the page stops when it is told to stop, and comes back when it is told to come back.
func TestPageObeys(t *testing.T) {
	s := start(t)
	ada, bob := s.enter(t, "acme/ada", "acme", "token"), s.enter(t, "acme/bob", "acme", "cookie")
	do(t, ada, says("#state", "Live"))
	do(t, bob, says("#state", "Live"))

	do(t, bob, chromedp.Click("#flood"), says("#state", "Trying again in"), says("#log", "4429 rate_limited backoff")) // what passes is looked for first
	do(t, bob, says("#state", "Live"))

	do(t, ada, chromedp.Click("#maintenance button[value=POST]"), says("#log", "Begin maintenance: done"))
	do(t, bob, says("#state", "The service is under maintenance. Trying again in"), says("#log", "4503 maintenance backoff"))
	do(t, ada, chromedp.Click("#maintenance button[value=DELETE]"), says("#state", "Live"))
	do(t, bob, says("#state", "Live"))

	do(t, ada, chromedp.Click("#ban button[value=POST]"))
	do(t, bob, says("#state", "You are banned. Trying again would not help."), says("#log", "4403 banned stop"))

	if log, err := s.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("%v, want exit code 0; it wrote\n%s", err, log)
	}
	do(t, ada, says("#log", "4503 restart reconnect"))
}

// TestPageTicket: a page that has no ticket yet is told what to do by the status of its mint.
func TestPageTicket(t *testing.T) {
	s := start(t)
	admin := []string{"Authorization", "Bearer " + s.signIn(t, "acme/ada")}
	s.call(t, "POST", "/admin/maintenance", "", admin...)
	bob := s.enter(t, "acme/bob", "acme", "ticket")
	do(t, bob, says("#state", "The service is under maintenance. Trying again in"), says("#log", "4503 maintenance backoff"))
	s.call(t, "DELETE", "/admin/maintenance", "", admin...)
	do(t, bob, says("#state", "Live"))
	s.call(t, "POST", "/admin/bans/joe", "", admin...)
	joe := s.enter(t, "acme/bob", "acme", "ticket")
	do(t, joe, says("#state", "Live"), chromedp.Evaluate[chromedp.Void](`document.getElementById("enter").elements.user[1].value = "acme/joe"`))
	do(t, joe, chromedp.Click("#leave"), chromedp.Click("#enter button"), says("#state", "You are banned. Trying again would not help."))
}

// TestPagePhone: on the narrowest screen nothing sticks out.
func TestPagePhone(t *testing.T) {
	s := start(t)
	tab := chrome.Tab(t)
	do(t, tab, chromedp.EmulateViewport(320, 640), chromedp.Navigate("http://"+s.addr))
	const out = `[...document.querySelectorAll("body *:not(.sr)")].filter((e) => e.getBoundingClientRect().right > 320).length`
	look := func() {
		t.Helper()
		if sticking, err := chromedp.Run(tab, chromedp.Evaluate[int](out)); err != nil || sticking > 0 {
			t.Errorf("%d elements stick out (%v)", sticking, err)
		}
	}
	look()
	s.submit(t, tab, "acme/ada", "acme", "token")
	do(t, tab, says("#state", "Live"), says(`[data-name="revenue"] h2`, "revenue"))
	look()
}

var (
	picture = flag.String("picture", "", "write a picture of the page to this `file`")
	width   = flag.Int64("width", 1000, "the picture's width")
	scheme  = flag.String("scheme", "light", "light or dark")
	outside = flag.Bool("outside", false, "before signing in")
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
	do(t, tab, chromedp.Func(setScheme), chromedp.EmulateViewport(*width, 760), chromedp.Navigate("http://"+s.addr))
	if !*outside {
		s.submit(t, tab, "acme/ada", "acme", "token")
		do(t, tab, says("#state", "Live"), chromedp.SendKeys("#text", "Is anybody here?"), chromedp.Click("#note button"), says("#notes", "anybody"))
		for i := range 12 {
			s.call(t, "PUT", "/t/acme/figures/orders", fmt.Sprint(40+i*i%17), "X-Api-Key", s.apiKey)
			do(t, tab, says(`[data-name="orders"] p`, fmt.Sprint(40+i*i%17)))
		}
		do(t, tab, chromedp.Poll[chromedp.Void](`document.querySelector(".figure").past.length > 8`, chromedp.WithPollingTimeout(0)))
		do(t, tab, chromedp.Click("#flood"), says("#log", "4429"))
	}
	png, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*picture, png, 0o644); err != nil {
		t.Fatal(err)
	}
}
