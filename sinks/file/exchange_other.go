//go:build !linux

package file

import "errors"

func swapNames(_, _ string) error { return errors.ErrUnsupported }
