package catalogue

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/libdns/libdns"
)

// TestCanaries: a host that refuses everything and says back all that it was
// sent, or breaks the connection, gets no secret into an error.
func TestCanaries(t *testing.T) {
	for _, r := range rows {
		if fakes[r.name] == nil {
			continue
		}
		for what, handler := range map[string]http.HandlerFunc{
			"says all back": func(w http.ResponseWriter, q *http.Request) {
				dump, _ := httputil.DumpRequest(q, true)
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprintf(w, "%s %s", q.URL, dump)
			},
			"breaks off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		} {
			t.Run(r.name+"/"+what, func(t *testing.T) {
				f := fakes[r.name]()
				base, roots, dial := redirect(t, handler)
				args, canaries := map[string]string{}, []string{}
				for name, value := range f.args {
					args[name] = strings.ReplaceAll(value, "%URL%", base)
				}
				for _, a := range block.Arguments(r.kindless()) {
					if v := strings.TrimSpace(args[a.Name]); a.Secret && len(v) > 3 {
						canaries = append(canaries, v, base64.StdEncoding.EncodeToString([]byte(v)))
						for _, user := range args {
							canaries = append(canaries, base64.StdEncoding.EncodeToString([]byte(user+":"+v)))
						}
					}
				}
				p, err := r.decoded(t, args).Open(t.Context(), secretsOf(args, roots, dial))
				if err != nil {
					t.Fatal(err)
				}
				rec := []libdns.Record{libdns.TXT{Name: "_acme-challenge", TTL: time.Hour, Text: first}}
				zone := f.zone + "."
				for door, call := range map[string]func(context.Context) error{
					"append": func(ctx context.Context) error { _, err := p.AppendRecords(ctx, zone, rec); return err },
					"delete": func(ctx context.Context) error { _, err := p.DeleteRecords(ctx, zone, rec); return err },
					"get": func(ctx context.Context) error {
						_, err := p.(libdns.RecordGetter).GetRecords(ctx, zone)
						return err
					},
					"list": func(ctx context.Context) error {
						if l, ok := p.(libdns.ZoneLister); ok {
							_, err := l.ListZones(ctx)
							return err
						}
						return nil
					},
				} {
					if what == "breaks off" && door != "append" {
						continue // some try for seconds
					}
					ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
					err := survived(ctx, call)
					cancel()
					for _, c := range canaries {
						if err != nil && strings.Contains(err.Error(), c) {
							t.Errorf("%s: the error tells a secret: %v", door, err)
						}
					}
				}
			})
		}
	}
}

// survived is a call as the broker makes it: a panic is an error without words.
func survived(ctx context.Context, call func(context.Context) error) (err error) {
	defer func() {
		if recover() != nil {
			err = nil
		}
	}()
	return call(ctx)
}
