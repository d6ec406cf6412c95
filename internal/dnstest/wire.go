package dnstest

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"time"

	"github.com/miekg/dns"
)

// serveStream answers the messages of one connection, each framed by its length (RFC 1035 section 4.2.2), one after
// the other, until it is closed.
func (s *Server) serveStream(c net.Conn, network string) {
	for {
		c.SetReadDeadline(time.Now().Add(2 * time.Minute))
		raw, err := readFrame(c)
		if err != nil {
			return
		}
		s.handle(network, raw, func(b []byte) error { return writeFrame(c, b) })
	}
}

func readFrame(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	raw := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, raw)
	return raw, err
}

func writeFrame(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

// handle answers one message; send may be called several times for a transfer and never for a dead server.
func (s *Server) handle(network string, raw []byte, send func([]byte) error) {
	m := new(dns.Msg)
	if err := m.Unpack(raw); err != nil || m.Response {
		if len(raw) >= 12 && raw[2]&0x80 == 0 {
			s.send(&dns.Msg{MsgHdr: dns.MsgHdr{
				Id: binary.BigEndian.Uint16(raw), Response: true, Rcode: dns.RcodeFormatError,
			}}, "tcp", nil, nil, send)
		}
		return
	}
	fault := s.verdict(network, m)
	if fault == Dead || !s.net.sleep(context.Background(), time.Duration(s.latency.Load())) {
		return
	}
	out := new(dns.Msg).SetReply(m)
	out.RecursionAvailable = s.recursive
	if fault == Garbage {
		send([]byte("this is no answer"))
		return
	}
	sign, rcode := s.checkTSIG(raw, m)
	switch {
	case rcode != dns.RcodeSuccess:
		out.Rcode = rcode
	case fault == ServFail:
		out.Rcode = dns.RcodeServerFailure
	case fault == Refused:
		out.Rcode = dns.RcodeRefused
	case fault == Lame:
	case m.Opcode == dns.OpcodeUpdate:
		out.Rcode = s.update(m, sign)
	case m.Opcode != dns.OpcodeQuery:
		out.Rcode = dns.RcodeNotImplemented
	case len(m.Question) != 1:
		out.Rcode = dns.RcodeFormatError
	case m.Question[0].Qtype == dns.TypeAXFR || m.Question[0].Qtype == dns.TypeIXFR:
		s.transfer(network, m, out, sign, send)
		return
	default:
		s.query(m, out)
		if fault == Truncate && network == "udp" {
			out.Truncated = true
			out.Answer, out.Ns, out.Extra = nil, nil, nil
		}
	}
	s.send(out, network, m, sign, send)
}

func (s *Server) query(m, out *dns.Msg) {
	q := m.Question[0]
	var r reply
	switch {
	case !s.recursive:
		r = s.authoritative(q, true)
		out.Authoritative = r.aa
	case !m.RecursionDesired && !s.eager.Load():
		r = s.authoritative(q, true)
		out.Authoritative = r.aa
	default:
		r = s.net.resolve(q, s, s.net.rotated)
		opt := m.IsEdns0()
		wants := m.AuthenticatedData || opt != nil && opt.Do()
		out.AuthenticatedData = wants && r.signed && r.rcode != dns.RcodeServerFailure
	}
	out.Rcode, out.Answer, out.Ns, out.Extra = r.rcode, r.answer, r.ns, r.extra
}

// signing is what a verified TSIG of a request gives for the answer.
type signing struct {
	name, alg, secret, mac string
}

// checkTSIG verifies the request's signature (RFC 8945). A nil signing with RcodeSuccess is an unsigned request.
func (s *Server) checkTSIG(raw []byte, m *dns.Msg) (*signing, int) {
	t := m.IsTsig()
	if t == nil {
		return nil, dns.RcodeSuccess
	}
	k, ok := s.net.key(t.Hdr.Name)
	if !ok || dns.CanonicalName(t.Algorithm) != k.alg {
		return nil, dns.RcodeNotAuth
	}
	if err := dns.TsigVerify(raw, k.secret, "", false); err != nil {
		return nil, dns.RcodeNotAuth
	}
	return &signing{t.Hdr.Name, k.alg, k.secret, t.MAC}, dns.RcodeSuccess
}

// send packs, cuts to what udp can carry, signs and sends.
func (s *Server) send(out *dns.Msg, network string, req *dns.Msg, sign *signing, send func([]byte) error) error {
	size := dns.MaxMsgSize - 1
	if req != nil {
		if opt := req.IsEdns0(); opt != nil {
			out.SetEdns0(4096, opt.Do())
			if network == "udp" {
				size = max(dns.MinMsgSize, int(opt.UDPSize()))
			}
		} else if network == "udp" {
			size = dns.MinMsgSize
		}
	}
	out.Compress = true
	out.Truncate(size)
	if network != "udp" {
		out.Truncated = false
	}
	var b []byte
	var err error
	if sign != nil {
		out.SetTsig(sign.name, sign.alg, 300, time.Now().Unix())
		b, sign.mac, err = dns.TsigGenerate(out, sign.secret, sign.mac, false)
	} else {
		b, err = out.Pack()
	}
	if err != nil {
		return err
	}
	return send(b)
}
