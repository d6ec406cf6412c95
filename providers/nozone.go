package providers

import "errors"

// ErrNoZone is in the chain of Find's error when nothing in the configuration
// serves the name: a mistake of the configuration, not of the hour.
var ErrNoZone = errors.New("no dns block serves its zone")
