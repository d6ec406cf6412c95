package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/oraclecloud"
)

var oraclecloudRow = row{
	name: "oraclecloud", title: "Oracle Cloud", version: "v1.1.2",
	proof: compiled,
	docs: map[string]string{
		"auth":                   "Selects how the provider obtains OCI credentials: auto, api_key, config_file, environment, or instance_principal.",
		"config_file":            "The path to the OCI config file, usually ~/.oci/config.",
		"config_profile":         "The profile name within ConfigFile to use.",
		"private_key":            "The private key.",
		"private_key_path":       "The path to the PEM-encoded API signing key file.",
		"private_key_passphrase": "The passphrase for the API signing key, if any.",
		"tenancy_ocid":           "The OCID of the tenancy that owns the credentials.",
		"user_ocid":              "The OCID of the OCI user for API key authentication.",
		"fingerprint":            "The fingerprint of the registered OCI API signing key.",
		"region":                 "The region.",
		"scope":                  "Selects the DNS zone scope: GLOBAL or PRIVATE.",
		"view_id":                "Identifies the private DNS view when operating on private zones by name.",
		"compartment_id":         "Identifies the compartment to search when listing zones.",
	},
	secrets: []string{"auth", "private_key", "private_key_passphrase"},
	open:    func() providers.Provider { return new(oraclecloud.Provider) },
}
