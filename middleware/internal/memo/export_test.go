package memo

// LeftBehind returns what a Hash leaves in memory of a text that it made a Key of.
func LeftBehind(h Hash, text string) string {
	var s scratch
	h.key(&s, text)
	return string(s.text)
}
