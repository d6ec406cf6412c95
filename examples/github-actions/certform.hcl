# Applied by the workflow beside it: a plan in each pull request, an apply on
# merge, upkeep every hour. The state lives on the runner's persistent volume;
# no secret is in this file, in a plan, or in the state in the clear.

certform {
  state "local" {
    path = "/var/lib/certform/state.db"
  }
}

issuer "acme" "letsencrypt" {
  directory = "letsencrypt"
  email     = "ops@example.com"
}

dns "route53" "main" {
  region = "eu-central-1" # credentials come from the runner's role
  zones  = ["example.com"]
}

sink "s3" "consumers" {
  bucket = "example-tls"
  prefix = "live/"
  region = "eu-central-1"
  sse    = "AES256"
}

certificate "site" {
  for_each = ["example.com", "api.example.com"]
  names    = [each.key, "*.${each.key}"]
  sinks    = [sink.s3.consumers]
}
