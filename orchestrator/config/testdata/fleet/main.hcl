issuer "acme" "le" {
  directory = "letsencrypt"
}

locals {
  hosts    = { for r in csvdecode(file("hosts.csv")) : r.host => r }
  services = { for r in local.hosts : r.service => r... }
}

sink "file" "host" {
  for_each  = local.hosts
  directory = "/etc/tls/${each.key}/${certificate.labels.service}"
  wave      = each.value.canary == "yes" ? 1 : 2
  endpoint { address = each.key }
}

sink "vault" "kv" {
  address = "https://vault.example.com:8200"
  path    = lookup(certificate.labels, "vault_path", "tls/${certificate.name}")
  token   = secret("env:VAULT_TOKEN")
}

sink "pull" "apps" {
  endpoint { within = "20m" }
}

certificate "service" {
  for_each = local.services
  names    = ["${each.key}.corp.example.com"]
  labels   = { service = each.key }
  sinks    = concat([sink.vault.kv, sink.pull.apps], [for r in each.value : sink.file.host[r.host]])
}
