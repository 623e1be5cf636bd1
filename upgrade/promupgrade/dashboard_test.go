package promupgrade_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/promupgrade"
)

type panel struct {
	Title   string
	Targets []struct{ Expr string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	b, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(b, &dashboard); err != nil {
		t.Fatal(err)
	}
	return dashboard.Panels
}

// TestDashboard holds that the dashboard shows the metrics that there are, with the labels that they have.
func TestDashboard(t *testing.T) {
	descriptions := make(chan *prometheus.Desc, 100)
	promupgrade.New(&upgrade.Upgrader{}).Describe(descriptions)
	close(descriptions)
	unseen := map[string]string{} // name to description
	name := regexp.MustCompile(`fqName: "([^"]*)"`)
	for d := range descriptions {
		unseen[name.FindStringSubmatch(d.String())[1]] = d.String()
	}
	known := len(unseen)
	seen := map[string]bool{}
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			for _, metric := range regexp.MustCompile(`wsverdict_\w+`).FindAllString(target.Expr, -1) {
				metric = strings.TrimSuffix(metric, "_bucket")
				description, ok := unseen[metric]
				if !ok {
					t.Errorf("%s: there is no metric %s", p.Title, metric)
				}
				seen[metric] = true
				for _, labels := range regexp.MustCompile(`sum by \(([^)]*)\)`).FindAllStringSubmatch(target.Expr, -1) {
					for _, label := range strings.Split(labels[1], ", ") {
						if label != "le" && label != "instance" && !strings.Contains(description, label) {
							t.Errorf("%s: %s has no label %s: %s", p.Title, metric, label, description)
						}
					}
				}
			}
		}
	}
	if len(seen) != known {
		t.Errorf("the dashboard shows %d of %d metrics", len(seen), known)
	}
}
