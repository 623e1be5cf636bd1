package fleet

// RenewAll is one round over the leases, as it comes every third of SeatLease.
func (s *Seats) RenewAll(turn int) error { return s.renewAll(turn) }
