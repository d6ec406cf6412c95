# /etc/certform/certform.hcl, for the unit beside it.
certform {
  state "local" { path = "/var/lib/certform/state.db" }
}

issuer "acme" "letsencrypt" {
  directory = "letsencrypt"
  email     = "ops@example.com"
}

dns "powerdns" "main" {
  server_url = "http://127.0.0.1:8081"
  api_token  = secret("env:PDNS_API_KEY")
  zones      = ["example.com"]
}

sink "file" "web" {
  directory = "/etc/ssl/certform/${certificate.name}"
  group     = "ssl-cert"
  mode      = "0640"
  reload    = ["systemctl", "reload", "nginx"]
  endpoint {}
}

certificate "host" {
  names = ["host.example.com"]
  sinks = [sink.file.web]
}
