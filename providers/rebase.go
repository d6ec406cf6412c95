package providers

import "path/filepath"

// Rebased is a path that a block gives: a relative one is below dir, the
// directory of the file that holds the block. A Spec with such arguments has a
// method Rebase(dir string), which configuration calls before Check.
func Rebased(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
