package upgrade

// Observers are several as one: each is told of everything, in order. A panic of one is logged, and
// keeps nothing from the others.
//
//	up := &upgrade.Upgrader{Observer: upgrade.Observers{brake, metrics}}
type Observers []Observer

// Observe tells all of them.
func (all Observers) Observe(e Event) {
	for _, o := range all {
		tell(o, e)
	}
}
