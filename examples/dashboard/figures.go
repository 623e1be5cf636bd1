package main

import (
	"encoding/json"
	"net/http"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

const maxFigures = 50 // of a tenant

// putFigure is the API for a tenant's services. What it denies has the shape of the chain's denials.
func (d *dashboard) putFigure(w http.ResponseWriter, r *http.Request) {
	var value float64
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 100)).Decode(&value); err != nil {
		d.up.Deny(w, r, badFigure.WithCause(err))
	} else if v := d.publish(r.PathValue("tenant"), r.PathValue("name"), value); !v.Allowed() {
		d.up.Deny(w, r, v)
	}
}

// publish keeps a figure and sends it to everybody of the tenant. Sending waits for nobody, so that
// it is done under the lock: whoever is welcomed meanwhile gets every figure, and the latest one
// last.
func (d *dashboard) publish(tenant, name string, value float64) policy.Verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := d.figures[tenant]
	if _, known := last[name]; !known && len(last) == maxFigures {
		return tooManyFigures
	}
	last[name] = value
	d.up.BroadcastJSON(event{Type: "figures", Figures: map[string]float64{name: value}}, tenantTag(tenant))
	return policy.Allow()
}

// welcome is the first event of a connection.
func (s session) welcome(c *upgrade.Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.SendJSON(event{Type: "welcome", User: s.user, Role: s.account.Role, Figures: s.figures[s.account.Tenant]})
}
