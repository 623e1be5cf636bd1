package middleware_test

import (
	"os"
	"testing"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

func TestMain(m *testing.M) { os.Exit(upgradetest.HTTP2(m.Run)) }
