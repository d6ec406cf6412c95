package providertest_test

import (
	"testing"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/providers/providertest"
)

func TestMemory(t *testing.T) {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	z := n.AddZone("example.com")
	child := n.AddZone("child.example.com", z.Servers()...)
	h := n.NewHost(dnstest.HostConfig{}, z, child)
	providertest.Run(t, providertest.Fixture{
		World: providertest.World(n), Zone: "example.com", DNS: providertest.Memory("dns.memory.m", "m", h, "example.com"),
		Nameservers: []string{z.Servers()[0].Addrs()[0].String()},
		TXT:         n.TXT,
		Child:       "child.example.com",
		Foreign:     func(name, value string) { z.Add("_acme-challenge." + name + `. TXT "` + value + `"`) },
		Fault:       providertest.HostFault(h),
		Without:     "no Lacking: whoever has the memory may change it",
	})
}
