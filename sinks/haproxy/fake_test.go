package haproxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
)

// fake is a runtime API that answers as HAProxy 2.6 does, its one transaction
// for everything included.
type fake struct {
	mu      sync.Mutex
	level   string // "admin" or "operator"
	certs   map[string]*cert.Bundle
	about   string // the transaction
	pending *cert.Bundle
	lists   map[string][]string
	log     []string // commands that change something
	die     func(after bool) error
	refuse  string // a commit is refused with these words
}

func newFake() *fake {
	return &fake{level: "admin", certs: map[string]*cert.Bundle{}, lists: map[string][]string{"/list": nil}}
}

func (f *fake) world() *world.World {
	return &world.World{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go f.serve(theirs, strings.Contains(address, "operator"))
		return ours, nil
	}}
}

func (f *fake) serve(c net.Conn, operator bool) {
	defer c.Close()
	in := bufio.NewReader(c)
	line, err := in.ReadString('\n')
	if err != nil {
		return
	}
	command, payload := strings.TrimSpace(line), ""
	if rest, ok := strings.CutSuffix(command, "<<"); ok {
		command = strings.TrimSpace(rest)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if line == "\n" { // the end, wherever it comes
				break
			}
			payload += line
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if answer := f.answer(command, payload, operator); answer != "" {
		fmt.Fprintf(c, "%s\n\n", answer)
	}
}

func (f *fake) answer(command, payload string, operator bool) string {
	if f.die != nil && f.die(false) != nil {
		return ""
	}
	w := strings.Fields(command)
	verb := w[0]
	if verb != "show" {
		if operator {
			return "Permission denied"
		}
		f.log = append(f.log, strings.Join(w[:3], " "))
		if f.die != nil && f.dies(false) {
			return ""
		}
	}
	answer := f.do(verb, w, payload)
	if verb != "show" && f.die != nil && f.dies(true) {
		return ""
	}
	return answer
}

func (f *fake) dies(after bool) bool { return f.die(after) != nil }

func (f *fake) do(verb string, w []string, payload string) string {
	name := w[len(w)-1]
	_, known := f.certs[name]
	switch verb + " " + w[2] {
	case "show cert":
		return f.show(w)
	case "new cert":
		if known {
			return "Certificate '" + name + "' already exists!"
		}
		f.certs[name] = nil
		return "New empty certificate store '" + name + "'!"
	case "set cert":
		if f.about == "" && !known {
			return "Can't replace a certificate which is not referenced by the configuration!\nCan't update " + name + "!"
		}
		b, err := cert.ParseBundle([]byte(payload))
		if err != nil {
			return "unable to load certificate from file '" + name + "'.\nCan't load the payload\nCan't update " + name + "!"
		}
		f.pending = b
		if f.about == "" {
			f.about = name
			return "Transaction created for certificate " + name + "!"
		}
		return "Transaction updated for certificate " + f.about + "!"
	case "commit cert":
		switch {
		case f.about == "":
			return "No ongoing transaction! !\nCan't commit " + name + "!"
		case f.about != name:
			return "The ongoing transaction is about '" + f.about + "' but you are trying to set '" + name + "'\nCan't commit " + name + "!"
		case f.refuse != "":
			return "Committing " + name + "\n" + f.refuse + "\nCan't commit " + name + "!"
		}
		f.certs[name], f.about, f.pending = f.pending, "", nil
		return "Committing " + name + "\nSuccess!"
	case "abort cert":
		if f.about != name {
			return "The ongoing transaction is about '" + f.about + "' but you are trying to abort a transaction for '" + name + "'"
		}
		f.about, f.pending = "", nil
		return "Transaction aborted for certificate '" + name + "'!"
	case "del cert":
		delete(f.certs, name)
		return "Certificate '" + name + "' deleted!"
	case "show crt-list":
		if _, ok := f.lists[name]; !ok {
			return "didn't find the specified filename"
		}
		return "# " + name + "\n" + strings.Join(f.lists[name], "\n")
	case "add crt-list":
		f.lists[w[3]] = append(f.lists[w[3]], name)
		return "Inserting certificate '" + name + "' in crt-list '" + w[3] + "'.\nSuccess!"
	}
	return "Unknown command: '" + strings.Join(w, " ") + "'"
}

func (f *fake) show(w []string) string {
	if len(w) == 3 {
		out := ""
		if f.about != "" {
			out = "# transaction\n*" + f.about + "\n"
		}
		return out + "# filename"
	}
	name, b := w[3], f.certs[w[3]]
	if _, known := f.certs[name]; !known {
		rest, ok := strings.CutPrefix(name, "*")
		if !ok || rest != f.about {
			return "Can't display the certificate: Not found or the certificate is a bundle!"
		}
		b = f.pending
	}
	if b == nil {
		return "Filename: " + name + "\nStatus: Empty\nOCSP Response Key: "
	}
	status := "Used"
	for _, l := range f.lists {
		if len(f.lists) > 0 && !slices.Contains(l, name) {
			status = "Unused"
		}
	}
	x := b.Chain.Leaf()
	var names []string
	for _, n := range x.DNSNames {
		names = append(names, "DNS:"+n)
	}
	return fmt.Sprintf("Filename: %s\nStatus: %s\nSerial: %s\nnotBefore: x\nnotAfter: %s\nSubject Alternative Name: %s\nAlgorithm: EC256\nSHA1 FingerPrint: %s\nSubject: /CN=x\nIssuer: /CN=%s\nOCSP Response Key: ",
		name, status, strings.ToUpper(x.SerialNumber.Text(16)), x.NotAfter.UTC().Format("Jan _2 15:04:05 2006 GMT"), strings.Join(names, ", "), strings.ToUpper(sinks.SHA1(x)), x.Issuer.CommonName)
}

func (f *fake) holds(name string) *cert.Bundle {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.certs[name]
}

func (f *fake) changes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.log)
}

func (f *fake) set(name string, b *cert.Bundle) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.certs[name] = b
	f.lists["/list"] = append(f.lists["/list"], name)
}

var errKilled = errors.New("killed")

func (f *fake) dieAt(k int, after bool) func() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, came := 0, false
	mark := len(f.log)
	f.die = func(at bool) error {
		if at == after && len(f.log) > mark {
			mark = len(f.log)
			n++
			came = came || n >= k
		}
		if came {
			return errKilled
		}
		return nil
	}
	return func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.die = nil
		return came
	}
}
