package notify

// Waiting is how many messages wait for their transaction to begin.
func (i *Intake) Waiting() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.waiting)
}
