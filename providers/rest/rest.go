// Package rest is the JSON over HTTP that the DNS hosts have in common:
// requests at the account's pace, answers read to their end, and faults told
// apart into those that pass, those that do not, and those that say when to
// come back.
//
// What is asked, and what the answers mean, is each host's own.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

// mostBytes is the most that is read of one answer: a zone with a hundred
// thousand records is about 20 MB.
const mostBytes = 64 << 20

// Client asks one host. It may be used concurrently.
type Client struct {
	HTTP   *http.Client
	Base   string            // URL before every path
	Header map[string]string // credentials: never in an error
	// Token gives the bearer token of a request, where it changes with time;
	// nil: there is none. It is never in an error either.
	Token func(ctx context.Context) (string, error)
	// Say finds the host's own words in an answer that is no success; nil: the
	// text of the answer.
	Say func(body []byte) string
}

// Status is the answer of a host that is no success. It is in the chain of the
// errors of Do.
type Status struct {
	Code int
	Said string // the host's own words
	Body []byte // for who reads more out of it; never shown
}

func (s *Status) Error() string {
	text := fmt.Sprintf("HTTP %d", s.Code)
	if s.Said == "" {
		return text + " " + http.StatusText(s.Code)
	}
	return text + ": " + s.Said
}

// Do makes one request. in, if not nil, is sent as JSON; the answer is decoded
// into out, if that is not nil. Errors name method and path. They are
// world.Faults: 429 and 503 with their Retry-After, 401, 403 and 404 as those
// that trying again cannot mend, other 4xx as providers.ErrRefused; 5xx and
// broken connections may be tried again.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	return c.DoIf(ctx, method, path, nil, in, out)
}

// DoIf is Do with conditions: headers of this request alone, such as If-Match.
func (c *Client) DoIf(ctx context.Context, method, path string, conditions map[string]string, in, out any) error {
	if err := c.do(ctx, method, path, conditions, in, out); err != nil {
		shown, _, _ := strings.Cut(path, "?")
		return fmt.Errorf("%s %s: %w", method, shown, err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path string, conditions map[string]string, in, out any) error {
	if err := providers.Pace(ctx); err != nil {
		return err
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return world.Never(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Base, "/")+path, body)
	if err != nil {
		return world.Never(errors.New("the address is no URL"))
	}
	for _, h := range []map[string]string{conditions, c.Header} {
		for k, v := range h {
			if strings.ContainsFunc(v, unicode.IsControl) {
				return world.Never(fmt.Errorf("the credential for the header %s has a line break or another control character in it", k))
			}
			req.Header.Set(k, v)
		}
	}
	token := ""
	if c.Token != nil {
		if token, err = c.Token(ctx); err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	// A credential is for the host that was named: an answer that leads
	// elsewhere is an error, not a way.
	client := *c.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		// *url.Error repeats the whole URL, which may hold a credential.
		if u := new(url.Error); errors.As(err, &u) {
			err = u.Err
		}
		return fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, mostBytes))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return c.fault(res, answer, token)
	}
	if out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the answer is not what was expected: %w", err)
	}
	return nil
}

func (c *Client) fault(res *http.Response, answer []byte, token string) error {
	s := &Status{Code: res.StatusCode, Body: answer}
	if c.Say != nil {
		s.Said = c.blot(c.Say(answer), token)
	}
	if s.Said == "" && !strings.Contains(res.Header.Get("Content-Type"), "html") {
		s.Said = short(c.blot(string(answer), token))
	}
	switch code := res.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return &world.Fault{Err: s, Never: true, Advice: "the credential is wrong, has expired, or may not do this"}
	case code >= 300 && code < 400:
		to := "elsewhere"
		if u, err := res.Location(); err == nil {
			to = "to " + u.Scheme + "://" + u.Host
		}
		return world.Hint(world.Never(fmt.Errorf("%w: it leads %s", s, to)), "give the address that answers itself: credentials are not sent on")
	case code == http.StatusNotFound:
		return world.Never(s)
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		if at := RetryAfter(res.Header, time.Now()); !at.IsZero() {
			return world.At(s, at)
		}
		return s
	case code == http.StatusRequestTimeout, code >= 500:
		return s
	}
	return errors.Join(s, providers.ErrRefused)
}

// blot takes credentials out of what a host said: some say back what they were
// sent.
func (c *Client) blot(said, token string) string {
	secrets := []string{token}
	for _, v := range c.Header {
		secrets = append(secrets, v, v[strings.LastIndex(v, " ")+1:])
	}
	secrets = slices.DeleteFunc(secrets, func(s string) bool { return len(s) < 4 })
	return world.Mask(secrets, nil).Replace(said)
}

// Lacking is err of a credential that may not do what was asked: it names the
// right, and trying again is pointless.
func Lacking(err error, right, advice string) error {
	return &world.Fault{Err: fmt.Errorf("the credential lacks the right %s: %w", right, err), Never: true, Advice: advice}
}

// longest is where a Retry-After stops being believed.
const longest = 30 * 24 * time.Hour

// RetryAfter reads the header of that name (RFC 9110, section 10.2.3), seconds
// or a date; zero if it says nothing.
func RetryAfter(h http.Header, now time.Time) time.Time {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v != "" && strings.Trim(v, "0123456789") == "" {
		n, err := strconv.Atoi(v)
		if err != nil || n > int(longest/time.Second) {
			return now.Add(longest)
		}
		return now.Add(time.Duration(n) * time.Second)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return time.Time{}
	}
	if last := now.Add(longest); at.After(last) {
		return last
	}
	return at
}

// short is one line of an answer.
func short(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "..."
	}
	return s
}
