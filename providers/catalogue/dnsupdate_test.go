package catalogue

import (
	"net"
	"net/http"

	"github.com/certform/certform/providers"
	"github.com/miekg/dns"
)

func init() { fakes["dnsupdate"] = dnsupdateFake }

// dnsupdateFake takes signed updates over TCP. Its listener lives as long as
// the test.
func dnsupdateFake() fake {
	h := &table{zone: "example.com"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	const key, secret = "key.example.com.", "Y2FuYXJ5LWtleQ=="
	update := func(w dns.ResponseWriter, q *dns.Msg) {
		r := new(dns.Msg).SetReply(q)
		if q.IsTsig() == nil || w.TsigStatus() != nil || q.Opcode != dns.OpcodeUpdate || q.Question[0].Name != "example.com." {
			w.WriteMsg(r.SetRcode(q, dns.RcodeRefused))
			return
		}
		for _, rr := range q.Ns {
			t, ok := rr.(*dns.TXT)
			if !ok {
				w.WriteMsg(r.SetRcode(q, dns.RcodeRefused))
				return
			}
			name := h.relative(t.Hdr.Name[:len(t.Hdr.Name)-1])
			for _, had := range h.list() {
				if had.name == name && had.text == providers.Text(t) {
					h.remove(had.id) // an addition of what is there changes nothing
				}
			}
			if t.Hdr.Class == dns.ClassINET {
				h.add(name, providers.Text(t))
			}
		}
		r.SetTsig(key, dns.HmacSHA256, 300, int64(q.IsTsig().TimeSigned))
		w.WriteMsg(r)
	}
	s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(update), TsigSecret: map[string]string{key: secret}, MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }}
	go s.ActivateAndServe()
	return fake{zone: h.zone, args: map[string]string{"addr": l.Addr().String(), "tsig": "hmac-sha256:key.example.com:" + secret}, txt: h.txt, foreign: h.foreign,
		handler: http.NotFoundHandler()}
}
