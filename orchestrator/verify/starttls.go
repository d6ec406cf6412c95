package verify

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// protocols are the ways to ask for TLS on a plain connection.
var protocols = map[string]func(*bufio.Reader, io.Writer) error{
	"smtp":     smtp,
	"imap":     imap,
	"pop3":     pop3,
	"ldap":     ldap,
	"postgres": postgres,
}

// Protocols are the values of Endpoint.StartTLS that Look knows.
func Protocols() []string { return []string{"smtp", "imap", "pop3", "ldap", "postgres"} }

// talkLimit is more than any greeting before TLS has.
const talkLimit = 64 << 10

// startTLS talks plain text until the peer expects a handshake.
func startTLS(c net.Conn, protocol string) error {
	if protocol == "" {
		return nil
	}
	talk, ok := protocols[protocol]
	if !ok {
		return fmt.Errorf("the protocol is not known; known are %s", strings.Join(Protocols(), ", "))
	}
	r := bufio.NewReaderSize(io.LimitReader(c, talkLimit), 4096)
	if err := talk(r, c); err != nil {
		return err
	}
	if r.Buffered() > 0 {
		return errors.New("the peer went on in plain text after it agreed to TLS")
	}
	return nil
}

func line(r *bufio.Reader) (string, error) {
	s, err := r.ReadSlice('\n')
	if errors.Is(err, io.EOF) {
		err = errors.New("the connection was closed")
	}
	return strings.TrimRight(string(s), "\r\n"), err
}

func send(w io.Writer, text string) error {
	_, err := io.WriteString(w, text+"\r\n")
	return err
}

// smtp is RFC 3207.
func smtp(r *bufio.Reader, w io.Writer) error {
	for _, step := range []struct{ say, want string }{{"", "220"}, {"EHLO localhost", "250"}, {"STARTTLS", "220"}} {
		if step.say != "" {
			if err := send(w, step.say); err != nil {
				return err
			}
		}
		for more := true; more; {
			s, err := line(r)
			if err != nil {
				return err
			}
			if !strings.HasPrefix(s, step.want) {
				return fmt.Errorf("the answer is %q", s)
			}
			more = len(s) > 3 && s[3] == '-'
		}
	}
	return nil
}

// imap is RFC 9051, section 6.2.1.
func imap(r *bufio.Reader, w io.Writer) error {
	s, err := line(r)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(s, "* OK") {
		return fmt.Errorf("the greeting is %q", s)
	}
	if err := send(w, "a1 STARTTLS"); err != nil {
		return err
	}
	for {
		if s, err = line(r); err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(s, "* "):
		case strings.HasPrefix(strings.ToUpper(s), "A1 OK"):
			return nil
		default:
			return fmt.Errorf("the answer is %q", s)
		}
	}
}

// pop3 is RFC 2595, section 4.
func pop3(r *bufio.Reader, w io.Writer) error {
	for _, say := range []string{"", "STLS"} {
		if say != "" {
			if err := send(w, say); err != nil {
				return err
			}
		}
		s, err := line(r)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(s, "+OK") {
			return fmt.Errorf("the answer is %q", s)
		}
	}
	return nil
}

// postgres is the SSLRequest of the PostgreSQL protocol, section 54.2.11.
func postgres(r *bufio.Reader, w io.Writer) error {
	msg := binary.BigEndian.AppendUint32(nil, 8)
	msg = binary.BigEndian.AppendUint32(msg, 80877103)
	if _, err := w.Write(msg); err != nil {
		return err
	}
	b, err := r.ReadByte()
	if err != nil {
		return err
	}
	if b != 'S' {
		return errors.New("the server does not offer TLS")
	}
	return nil
}

// startTLSOID names the operation of RFC 4511, section 4.14.
const startTLSOID = "1.3.6.1.4.1.1466.20037"

// ldap sends one ExtendedRequest and reads the one ExtendedResponse.
func ldap(r *bufio.Reader, w io.Writer) error {
	op := append([]byte{0x80, byte(len(startTLSOID))}, startTLSOID...)
	op = append([]byte{0x77, byte(len(op))}, op...)
	op = append([]byte{0x02, 0x01, 0x01}, op...)
	if _, err := w.Write(append([]byte{0x30, byte(len(op))}, op...)); err != nil {
		return err
	}
	body, err := message(r)
	if err != nil {
		return err
	}
	_, _, body, err = element(body) // the message's number
	if err != nil {
		return err
	}
	tag, op, _, err := element(body)
	if err != nil {
		return err
	}
	if tag != 0x78 {
		return errors.New("the answer is no LDAP extended response")
	}
	tag, code, _, err := element(op)
	if err != nil {
		return err
	}
	if tag != 0x0a || len(code) != 1 {
		return errors.New("the answer has no result code")
	}
	if code[0] != 0 {
		return fmt.Errorf("the server refuses with result code %d", code[0])
	}
	return nil
}

// message reads the content of one LDAPMessage.
func message(r *bufio.Reader) ([]byte, error) {
	head := make([]byte, 2, 6)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	if head[0] != 0x30 {
		return nil, errors.New("the answer is no LDAP message")
	}
	if extra := int(head[1] & 0x7f); head[1]&0x80 != 0 && extra <= 4 {
		head = head[:2+extra]
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return nil, err
		}
	}
	n, _, err := length(head[1:])
	if err != nil {
		return nil, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(r, body)
	return body, err
}

// element takes one BER element off b. BER and not DER: some servers write
// every length in four octets.
func element(b []byte) (tag byte, content, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, errShort
	}
	n, rest, err := length(b[1:])
	if err != nil || n > len(rest) {
		return 0, nil, nil, errShort
	}
	return b[0], rest[:n], rest[n:], nil
}

var errShort = errors.New("the answer is no well-formed LDAP message")

// length reads a definite BER length.
func length(b []byte) (n int, rest []byte, err error) {
	n, rest = int(b[0]), b[1:]
	if n < 0x80 {
		return n, rest, nil
	}
	extra := n & 0x7f
	if extra == 0 || extra > 4 || extra > len(rest) {
		return 0, nil, errShort
	}
	n = 0
	for _, c := range rest[:extra] {
		n = n<<8 | int(c)
	}
	if n > talkLimit {
		return 0, nil, errShort
	}
	return n, rest[extra:], nil
}
