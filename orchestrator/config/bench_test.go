package config_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/config"
)

// fleet is n certificates in two sinks, hosts from a CSV as large fleets have
// them.
func fleet(b *testing.B, n int) string {
	var csv strings.Builder
	csv.WriteString("host,team\n")
	for i := range n {
		fmt.Fprintf(&csv, "h%05d,t%d\n", i, i%50)
	}
	return write(b, map[string]string{"hosts.csv": csv.String(), "sound.hcl": sound, "main.hcl": `
locals {
  hosts = { for r in csvdecode(file("hosts.csv")) : r.host => r }
}
sink "vault" "kv" {
  address = "https://vault.example.com:8200"
  path    = "tls/${certificate.labels.team}/${certificate.name}"
  token   = secret("env:VAULT_TOKEN")
}
sink "file" "host" {
  for_each = local.hosts
  combined = "/etc/tls/${each.key}/${certificate.name}.pem"
  reload   = ["systemctl", "reload", "nginx"]
  endpoint {
    address = "${each.key}.example.com"
  }
}
certificate "host" {
  for_each = local.hosts
  names    = ["${each.key}.example.com", "*.${each.key}.example.com"]
  labels   = { team = each.value.team }
  sinks    = [sink.vault.kv, sink.file.host[each.key]]
}
`})
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := fleet(b, n)
			b.ReportAllocs()
			for b.Loop() {
				c, diags := config.Load(options(dir))
				if diags.HasErrors() || len(c.Certificates) != n || len(c.Certificates[n-1].Places) != 2 {
					b.Fatal(show(c, diags))
				}
				b.StopTimer()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-live")
				runtime.KeepAlive(c)
				b.StartTimer()
			}
		})
	}
}
