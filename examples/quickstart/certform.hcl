# One wildcard certificate, proven through Cloudflare's DNS, in the directory
# from which nginx serves it.
#
#   export CLOUDFLARE_API_TOKEN=...      # Zone:Read and DNS:Edit on the zone
#   certform plan
#   certform apply

issuer "acme" "letsencrypt" {
  directory = "letsencrypt" # try "letsencrypt-staging" first
  email     = "ops@example.com"
}

dns "cloudflare" "main" {
  api_token = secret("env:CLOUDFLARE_API_TOKEN")
  zones     = ["example.com"]
}

sink "file" "nginx" {
  directory = "/etc/nginx/tls/${certificate.name}"
  test      = ["nginx", "-t"]
  reload    = ["nginx", "-s", "reload"]
  endpoint {} # every host of the certificate, at port 443
}

certificate "site" {
  names = ["example.com", "*.example.com"]
  hosts = ["example.com", "www.example.com"]
  sinks = [sink.file.nginx]
}
