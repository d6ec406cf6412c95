package file

// Die makes s ask step before and after each change of the disk.
func (s *Spec) Die(step func(what string, after bool) error) { s.step = step }
