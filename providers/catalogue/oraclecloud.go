package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/oraclecloud"
)

var oraclecloudRow = row{
	name: "oraclecloud", title: "Oracle Cloud Infrastructure", version: "v1.1.2",
	quirks: providers.Quirks{Batch: 50, PerSecond: 5},
	read: cites{
		Values: "several: provider.go:122@v1.1.2 adds each as an operation of its own",
		Append: "adds; the whole zone is read before and after: provider.go:115, 139 and 143@v1.1.2; a value that was there is left out of the answer, provider.go:900",
		Delete: "by exact value; the TTL counts if one is given: provider.go:763 and 783@v1.1.2; nothing to remove is no error",
		ID:     "not needed: provider.go:249@v1.1.2",
		TTL:    "nothing said: provider.go:958@v1.1.2",
		Batch:  "all records in one call, all or none: provider.go:129 and 256@v1.1.2; no limit is given, 50 is assumed",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records by PATCH: provider.go:139@v1.1.2",
	},
	proof: scripted,
	special: "Zones can be listed only with compartment_id; without it declare them by zones. " +
		"The whole zone is read, 100 records a call, before and after each addition. " +
		"With auth = \"auto\" (the default) and no key here, ~/.oci/config and OCI_CLI_* of the environment are used.",
	docs: map[string]string{
		"auth":                   "Where the credential comes from: auto, api_key, config_file, environment or instance_principal; default auto.",
		"config_file":            "The path of OCI's configuration file, default ~/.oci/config.",
		"config_profile":         "The profile in it, default DEFAULT.",
		"private_key":            "The API signing key, as PEM.",
		"private_key_path":       "The path of a file with the API signing key.",
		"private_key_passphrase": "The passphrase of the key, if it has one.",
		"tenancy_ocid":           "The OCID of the tenancy.",
		"user_ocid":              "The OCID of the user.",
		"fingerprint":            "The fingerprint of the API signing key.",
		"region":                 "The region, such as eu-frankfurt-1.",
		"scope":                  "GLOBAL or PRIVATE zones.",
		"view_id":                "The OCID of the view that holds a private zone.",
		"compartment_id":         "The OCID of the compartment whose zones are listed.",
	},
	secrets: []string{"private_key", "private_key_passphrase"},
	plain:   []string{"auth"},
	example: map[string]string{
		"tenancy_ocid": `"ocid1.tenancy.oc1..example"`, "user_ocid": `"ocid1.user.oc1..example"`, "fingerprint": `"20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"`,
		"private_key": `secret("env:ORACLECLOUD_PRIVATE_KEY")`, "region": `"eu-frankfurt-1"`, "compartment_id": `"ocid1.compartment.oc1..example"`,
	},
	open: func() providers.Provider { return new(oraclecloud.Provider) },
}
