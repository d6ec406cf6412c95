package haproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/world"
)

// patience is how long HAProxy may take for one command: a commit makes a new
// context for each line of each crt-list.
const patience = time.Minute

// answerLimit keeps a stranger on the port from filling the memory.
const answerLimit = 16 << 20

// api is the runtime API of one instance.
type api struct {
	w                *world.World
	network, address string
}

// ask sends one command, with a payload if there is one, and returns the whole
// answer. HAProxy closes the connection after it.
func (a api) ask(ctx context.Context, command string, payload []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := a.talk(ctx, command, payload)
	if err != nil {
		return "", fmt.Errorf("%s: %w", command, err)
	}
	switch {
	case strings.HasPrefix(answer, "Permission denied"):
		return "", world.Never(world.Hint(fmt.Errorf("%s: %s", command, answer), "the stats socket needs `level admin` to change certificates, `level operator` to look"))
	case strings.HasPrefix(answer, "Unknown command"):
		return "", world.Never(world.Hint(fmt.Errorf("%s: unknown command", command), "certificates can be replaced at run time since HAProxy 2.2, built with OpenSSL"))
	}
	return answer, nil
}

func (a api) talk(ctx context.Context, command string, payload []byte) (string, error) {
	c, err := a.w.DialContext(ctx, a.network, a.address)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("no socket %s", a.address) // it is not the certificate that does not exist
		}
		return "", err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	message := []byte(command + "\n")
	if payload != nil {
		message = fmt.Appendf(nil, "%s <<\n%s\n", command, stripped(payload))
	}
	_, werr := c.Write(message)
	answer, err := io.ReadAll(io.LimitReader(c, answerLimit))
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if text := strings.TrimSpace(string(answer)); text != "" {
		return text, nil
	}
	if err = errors.Join(werr, err); err == nil {
		err = errors.New("HAProxy closed the connection without an answer")
	}
	return "", err
}

// stripped is payload without blank lines: one of them would end it.
func stripped(payload []byte) []byte {
	var out []byte
	for line := range bytes.Lines(payload) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = append(append(out, line...), '\n')
		}
	}
	return out
}

// shown is what `show ssl cert FILE` says of one certificate.
type shown struct {
	status       string // Used, Unused, Empty
	serial, sha1 string
	notAfter     time.Time
	names        []string
	issuer       string
}

// show asks for a certificate by its name; with a * before it, for the one in
// the transaction. fs.ErrNotExist if HAProxy has no such name.
func (a api) show(ctx context.Context, name string) (shown, error) {
	command := "show ssl cert " + name
	answer, err := a.ask(ctx, command, nil)
	if err != nil {
		return shown{}, err
	}
	if !strings.Contains(answer, "Status:") {
		if strings.Contains(answer, "Not found") {
			return shown{}, fmt.Errorf("%s: %w", command, fs.ErrNotExist)
		}
		return shown{}, fmt.Errorf("%s: %s", command, first(answer))
	}
	var s shown
	for line := range strings.Lines(answer) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch value = strings.TrimSpace(value); key {
		case "Status":
			s.status = value
		case "Serial":
			s.serial = strings.TrimLeft(strings.ToLower(value), "0")
		case "SHA1 FingerPrint":
			s.sha1 = strings.ToLower(value)
		case "notAfter":
			if t, err := time.Parse("Jan _2 15:04:05 2006 MST", value); err == nil {
				s.notAfter = t.UTC()
			}
		case "Subject Alternative Name":
			for _, n := range strings.Split(value, ",") {
				if n, ok := strings.CutPrefix(strings.TrimSpace(n), "DNS:"); ok {
					s.names = append(s.names, n)
				}
			}
		case "Issuer":
			if _, cn, ok := strings.Cut(value, "/CN="); ok {
				s.issuer, _, _ = strings.Cut(cn, "/")
			}
		}
	}
	return s, nil
}

// transaction names the file that a transaction is about, "" if there is none.
func (a api) transaction(ctx context.Context) (string, error) {
	answer, err := a.ask(ctx, "show ssl cert", nil)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(answer) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "*"); ok {
			return name, nil
		}
	}
	return "", nil
}

// listed reports whether a crt-list has a line for file.
func (a api) listed(ctx context.Context, list, file string) (bool, error) {
	command := "show ssl crt-list " + list
	answer, err := a.ask(ctx, command, nil)
	if err != nil {
		return false, err
	}
	if !strings.HasPrefix(answer, "#") {
		return false, world.Never(fmt.Errorf("%s: %s", command, first(answer)))
	}
	for line := range strings.Lines(answer) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == file {
			return true, nil
		}
	}
	return false, nil
}

// first is the beginning of an answer, on one line, for an error.
func first(answer string) string {
	s := strings.Join(strings.FieldsFunc(answer, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	if len(s) > 500 {
		s = s[:500] + "…"
	}
	return s
}
