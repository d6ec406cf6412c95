// Package acmetest is an ACME certification authority for tests, the demo and benchmarks (RFC 8555, RFC 9773, the
// profiles draft). It is no kinder than Let's Encrypt: it forgets orders, hands back open ones, reuses authorizations,
// lets a failed challenge kill its order, rejects nonces, limits rates and signs with intermediates chosen at random;
// and it does what cannot be had from a real CA at will: it loses replies, stays processing, or breaks down.
//
// It works inside a testing/synctest bubble, on an in-memory listener and with an in-memory resolver:
//
//	synctest.Test(t, func(t *testing.T) {
//		n := dnstest.New()
//		defer n.Close()
//		ca := acmetest.New(acmetest.LetsEncrypt(n.LookupTXT))
//		defer ca.Close()
//		ca.ServeTLS(n.Listen("ca.test:443"))
//		client := &acme.Client{
//			Directory:  ca.DirectoryURL("https://ca.test"),
//			HTTPClient: ca.Client(n.Dial),
//		}
//		// ... order, and a week later:
//		ca.ForgetOrders()
//		if got := len(ca.Issued()); got != 1 {
//			t.Errorf("%d certificates, want 1", got)
//		}
//	})
//
// and over loopback by CA.Start. It knows nothing of DNS but Config.Lookup, keeps everything in memory, and does not
// check CAA, DNSSEC or any challenge but dns-01.
package acmetest
