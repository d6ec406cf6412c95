package catalogue

import (
	"errors"

	"github.com/certform/certform/orchestrator/world"
)

// errUnread is what a provider answers whose list of a zone is not what is
// there: the broker then asks DNS instead. What a list does not show would pass
// for removed.
var errUnread = world.Never(errors.New("the zone cannot be read through this provider"))
