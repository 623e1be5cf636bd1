package main

import "testing"

func TestAMessageCountsOnce(t *testing.T) {
	var got tally
	got.add(account{Sent: 6, Told: []int{1, 2}, Maybe: []int{2, 3, 4}}, &heard{times: map[int]int{0: 1, 1: 1, 4: 2}})
	got.add(account{Sent: 1}, nil) // nothing arrived from it
	// 0 and 1 arrived, whatever was said of 1; 4 arrived twice; 5 and the other's 0 are gone in silence
	if want := (tally{sent: 7, once: 2, twice: 1, told: 1, maybe: 1, lost: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
