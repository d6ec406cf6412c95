package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/transip"
)

var transipRow = row{
	name: "transip", title: "TransIP", version: "v1.1.2",
	quirks: providers.Quirks{PerSecond: 2},
	read: cites{
		Values: "several: client/client_dns_entry.go:31@v1.1.2 creates one record a call",
		Append: "adds, reading the zone before and after: github.com/pbergman/provider record_append.go:21, 37 and 44@v1.1.1",
		Delete: "by exact value; the TTL counts if one is given, and that of the zone is sent: github.com/pbergman/provider iterators.go:50@v1.1.1, client/client_dns_entry.go:33@v1.1.2; nothing to remove is no error",
		ID:     "not needed: the host takes name, type, value and TTL, client/client_dns_entry.go:33@v1.1.2",
		TTL:    "any from 1 s to a day, else an hour: client/client_dns.go:40@v1.1.2",
		Batch:  "one call a record: client/client_dns_entry.go:31@v1.1.2",
		Pace:   "nothing said; 2/s is assumed, since reading the zone makes three calls of one",
		Zone:   "single records: client/client_dns.go:80@v1.1.2; upstream's mode that writes the whole zone (client_dns.go:74) is not offered",
	},
	proof: scripted,
	special: "private_key is the key itself in PKCS#8 (BEGIN PRIVATE KEY), not a path. " +
		"Access tokens made from it are kept in memory; upstream would write them into the directory for temporary files. " +
		"The key must allow calls from anywhere, or not_global_key be true and this machine's address be in the account's list.",
	docs: map[string]string{
		"login":           "The login name of the account.",
		"not_global_key":  "Whether tokens are valid only from the addresses in the account's list.",
		"expiration_time": "How long a token lives (1 hour, 1 day, ...), default 1 hour.",
		"private_key":     "The account's private key, as PEM.",
		"base_uri":        "The URL of the API, default https://api.transip.nl/v6/.",
	},
	secrets:  []string{"private_key"},
	required: []string{"login", "private_key"},
	// A read-only token cannot write, a token in a file is a secret outside,
	// debugging prints tokens, and the other mode rewrites the zone.
	omit: []string{"read_only", "debug_level", "token_storage", "client_control_mode"},
	open: func() providers.Provider { return &transip.Provider{TokenStorage: "memory"} },
}
