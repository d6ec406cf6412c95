package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/mythicbeasts"
)

var mythicbeastsRow = row{
	name: "mythicbeasts", title: "Mythic Beasts", version: "v1.0.4",
	proof: compiled,
	docs: map[string]string{
		"key_id": "The key id of the account.",
		"secret": "The secret of the account.",
	},
	secrets:  []string{"secret"},
	required: []string{"key_id", "secret"},
	open:     func() providers.Provider { return new(mythicbeasts.Provider) },
}
