// Package dnstest is a DNS world in memory for tests, the demo and benchmarks: zones, the servers that serve them with
// their lags and faults, recursive resolvers, the API of a DNS host, and connections to all of it.
//
// It works inside a testing/synctest bubble, where nothing touches a socket:
//
//	synctest.Test(t, func(t *testing.T) {
//		n := dnstest.New()
//		defer n.Close()
//		slow := n.AddServer("ns2.dns.test", "192.0.2.2", "2001:db8::2")
//		slow.SetLag(40 * time.Second)
//		z := n.AddZone("example.com", n.AddServer("ns1.dns.test", "192.0.2.1"), slow)
//		z.Add("www A 192.0.2.80", "_acme-challenge.www CNAME www.acme.example.net.")
//		host := n.NewHost(dnstest.HostConfig{Latency: 100 * time.Millisecond, Rate: 5}, z)
//		n.AddResolver("192.0.2.53")
//
//		// n.Dial reaches 192.0.2.1:53, 192.0.2.53:53 and whatever listens at n.Listen("ca.test:443");
//		// host.AppendRecords (libdns) or host.Handler() (the webhook protocol) change the zone;
//		// n.LookupTXT and n.Perspective(i) are how a CA looks at it.
//		if left := n.AllTXT(); len(left) > 0 {
//			t.Errorf("left behind: %v", left)
//		}
//	})
//
// and over loopback, by Net.ServeLoopback, for programs that only know sockets. Dynamic updates (RFC 2136), transfers
// (RFC 5936) and TSIG (RFC 8945) work both ways.
//
// Delegations, glue, SOA and NS records of zones, and the addresses of servers and listeners need no records: they
// follow from AddZone, AddServer and Listen. The world does no DNSSEC but for the AD bit of zones that are said to be
// signed, keeps no resolver cache, and leaves issuing certificates to others.
package dnstest
