certform {
  required_version = ">= 0.1"
  state "local" {
    path = ".certform/state.db"
  }
  seal "age" {}
}

issuer "acme" "letsencrypt" {
  directory = "letsencrypt"
  email     = "ops@example.com"
}

dns "cloudflare" "main" {
  api_token = secret("env:CLOUDFLARE_API_TOKEN")
}

sink "haproxy" "edge" {
  for_each = { lb1 = { ip = "10.0.0.11", wave = 1 }, lb2 = { ip = "10.0.0.12", wave = 2 } }
  address  = "${each.value.ip}:9999"
  file     = "/etc/haproxy/certs/${certificate.name}.pem"
  wave     = each.value.wave
  endpoint { address = each.value.ip }
}

sink "vault" "kv" {
  address = "https://vault.example.com:8200"
  path    = "tls/${certificate.name}"
  token   = secret("env:VAULT_TOKEN")
}

certificate "site" {
  for_each = ["example.com", "example.org"]
  names    = [each.key, "*.${each.key}"]
  hosts    = ["www.${each.key}", each.key]
  sinks    = [sink.haproxy.edge, sink.vault.kv]
}
