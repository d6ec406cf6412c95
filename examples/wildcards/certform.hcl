# Ten wildcard certificates over two DNS hosts, into Vault, S3 and two HAProxy
# load balancers. The first balancer is the canary: the second gets a new
# certificate only after the first serves it.

certform {
  required_version = ">= 0.1"
}

variable "email" {
  type    = string
  default = "tls@example.com"
}

locals {
  at_cloudflare = ["example.com", "example.net", "example.org", "shop.example", "blog.example"]
  at_route53    = ["api.example", "cdn.example", "app.example", "img.example", "pay.example"]
}

issuer "acme" "letsencrypt" {
  directory = "letsencrypt"
  email     = var.email
}

dns "cloudflare" "main" {
  api_token = secret("env:CLOUDFLARE_API_TOKEN")
  zones     = local.at_cloudflare
}

dns "route53" "main" {
  region  = "eu-central-1"
  profile = "dns"
  zones   = local.at_route53
}

sink "vault" "kv" {
  address   = "https://vault.example.com:8200"
  path      = "tls/${certificate.name}"
  role_id   = "certform"
  secret_id = secret("env:VAULT_SECRET_ID")
}

sink "s3" "archive" {
  bucket = "example-tls"
  prefix = "certificates/"
  region = "eu-central-1"
  sse    = "AES256"
}

sink "haproxy" "edge" {
  for_each = { lb1 = { ip = "10.0.0.11", wave = 1 }, lb2 = { ip = "10.0.0.12", wave = 2 } }
  address  = "${each.value.ip}:9999"
  file     = "/etc/haproxy/certs/${certificate.name}.pem"
  crt_list = "/etc/haproxy/crt-list.txt"
  wave     = each.value.wave
  endpoint { address = each.value.ip }
}

certificate "wildcard" {
  for_each = concat(local.at_cloudflare, local.at_route53)
  names    = [each.key, "*.${each.key}"]
  hosts    = [each.key, "www.${each.key}"]
  sinks    = [sink.vault.kv, sink.s3.archive, sink.haproxy.edge]
}
