package providers

import "errors"

// ErrNoZone is in the chain of Find's error when nothing in the configuration
// serves the name: a mistake of the configuration, not of the hour. What DNS has
// a part in is none: a CNAME that leads elsewhere, a zone of ours whose child is
// delegated away, a host that lists no zone today.
var ErrNoZone = errors.New("no dns block serves its zone")

// ErrNotAsked is in the chain of Find's error when nobody who could be asked
// serves the name and not everybody could be: a credential that is not there, a
// host that does not answer. It may be in order all the same.
var ErrNotAsked = errors.New("not every dns block could be asked")
