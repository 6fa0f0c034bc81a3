package hostile

// attacks are those that try all of something, or take more than bytes.
var attacks []struct {
	name, rule string
	run        func(*world) string
}
