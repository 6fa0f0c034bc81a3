package main
func main() { if isChild() { serve(); return } }
