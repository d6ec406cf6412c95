# Internal hosts from a YAML file: one certificate a service, on every host of
# the service, canary hosts first. The names are proven in the internal zone,
# which is served by BIND and seen from inside only; so it is a CA of the house
# that signs (step-ca, say): a public one could not see the TXT records.

locals {
  hosts    = { for h in yamldecode(file("hosts.yaml")) : h.name => h }
  services = { for h in local.hosts : h.service => h.name... }
}

issuer "acme" "corp" {
  directory = "https://ca.corp.example.com/acme/acme/directory"
  ca_file   = "/etc/ssl/certs/corp-root.pem"
}

dns "rfc2136" "internal" {
  server   = "10.0.0.53:53"
  key_name = "certform."
  key_alg  = "hmac-sha256"
  key      = secret("env:TSIG_KEY")
  zones    = ["corp.example.com"]
}

# A split horizon: these servers are asked, not those that the delegation
# names to the outside.
zone "corp.example.com" {
  dns         = [dns.rfc2136.internal]
  nameservers = ["10.0.0.53", "10.0.1.53"]
  max_wait    = "5m"
}

sink "vault" "kv" {
  address         = "https://vault.corp.example.com:8200"
  path            = "tls/${certificate.name}"
  kubernetes_role = "certform"
}

# The hosts fetch from Vault by themselves; that they serve it is the proof.
sink "pull" "host" {
  for_each = local.hosts
  wave     = each.value.canary ? 1 : 2
  endpoint {
    address = each.key
    port    = each.value.port
    within  = "20m"
  }
}

certificate "service" {
  for_each = local.services
  names    = ["${each.key}.corp.example.com"]
  key_type = "ecdsa-p384"
  labels   = { service = each.key }
  sinks    = concat([sink.vault.kv], [for host in each.value : sink.pull.host[host]])
}
