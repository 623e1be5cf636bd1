package otelupgrade_test

import (
	"errors"
	"testing"

	"github.com/wsverdict/wsverdict/upgrade/otelupgrade"
)

func TestMust(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	if o := otelupgrade.Must(otelupgrade.New(otelupgrade.Config{})); o == nil {
		t.Error("no Observer")
	}
	otelupgrade.Must(nil, errors.New("no instruments"))
}
