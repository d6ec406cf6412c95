package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/hashicorp/hcl/v2"
)

// endpointArgs are the arguments of an endpoint block.
type endpointArgs struct {
	Address     string        `arg:"address" doc:"Host or IP address to ask; default: each of server_names itself."`
	Port        int           `arg:"port" default:"443" doc:"TCP port."`
	ServerNames []string      `arg:"server_names" doc:"The names to ask for (SNI); default: certificate.hosts."`
	StartTLS    string        `arg:"starttls" doc:"The protocol in which TLS is asked for: smtp, imap, pop3, ldap or postgres."`
	Within      time.Duration `arg:"within" default:"1m" doc:"How long after the delivery the endpoint may take to serve it."`
}

// EndpointArguments are those of an endpoint block, for people.
func EndpointArguments() []block.Argument { return block.Arguments(&endpointArgs{}) }

var startTLS = []string{"smtp", "imap", "pop3", "ldap", "postgres"}

// endpointBlock is what was read of an endpoint block.
type endpointBlock struct {
	at     hcl.Range
	levels levels
	broken bool
}

var endpointShape = block.ShapeOf(&endpointArgs{})

func (l *loader) readEndpoint(b *hcl.Block, p place) *endpointBlock {
	body, diags := endpointShape.Read(b.Body, b.DefRange, nil)
	l.report.add("", diags...)
	l.checkContent(body.Content(), p)
	return &endpointBlock{at: b.DefRange, levels: split(body), broken: diags.HasErrors()}
}

// endpointInstance is an endpoint block of one sink instance: everything is
// decoded that does not vary per certificate.
type endpointInstance struct {
	*endpointBlock
	args    endpointArgs
	unknown []string // arguments that could not be read
	ok      bool
}

// endpoints are what one endpoint block asks of one certificate.
func (l *loader) endpoints(u *built, e *endpointInstance, ctx *hcl.EvalContext, whose func() string) []cert.Endpoint {
	args, ok := e.args, e.ok
	body := e.levels.all
	if e.levels.varies() {
		unknown, diags := e.levels.certificate.Decode(ctx, &args)
		if diags != nil {
			l.report.add(whose(), diags...)
		}
		ok = ok && unknown == nil && !diags.HasErrors()
		ok = l.checkEndpoint(body, &args, slices.Concat(e.unknown, unknown), ctx, whose) && ok
	}
	if u.broken {
		return nil
	}
	names := u.Hosts
	if body.Content().Attributes["server_names"] != nil && args.ServerNames != nil {
		var good bool
		names, good = l.serverNames(u, args.ServerNames, body.Range("server_names"), whose)
		ok = ok && good
	}
	if !ok {
		return nil
	}
	if len(names) == 0 && u.odd {
		return nil
	}
	if len(names) == 0 {
		l.report.error(whose(), e.at, "Endpoint without a name to ask for",
			"%s has no name that a client could ask for: its names are all wildcards. Give the certificate hosts, or the endpoint server_names.", u.Address)
		return nil
	}
	out := make([]cert.Endpoint, 0, len(names))
	for _, n := range names {
		ep := cert.Endpoint{Address: args.Address, Port: args.Port, ServerName: n, StartTLS: args.StartTLS, Family: u.KeyType.Family(), Within: args.Within}
		if args.Address == "" {
			ep.Address = n
		}
		out = append(out, ep)
	}
	return out
}

// checkEndpoint checks what is the same for all server names, and makes the
// address canonical. Arguments that are unknown have been told already, and
// hide no mistake in another.
func (l *loader) checkEndpoint(body *block.Body, args *endpointArgs, unknown []string, ctx *hcl.EvalContext, whose func() string) bool {
	before := l.report.errs
	if !slices.Contains(unknown, "address") && given(body.Content().Attributes["address"], ctx) != nil {
		address, problem := endpointAddress(args.Address)
		if problem != "" {
			l.report.error(whose(), body.Range("address"), "Bad address of an endpoint", "%s", problem)
		}
		args.Address = address
	}
	if !slices.Contains(unknown, "port") && (args.Port < 1 || args.Port > 65535) {
		l.report.error(whose(), body.Range("port"), "Bad port", "A port is a number from 1 to 65535.")
	}
	if args.StartTLS != "" && !slices.Contains(startTLS, args.StartTLS) {
		l.report.error(whose(), body.Range("starttls"), "Unknown starttls", "%q is no protocol that asks for TLS.%s", args.StartTLS, suggest(args.StartTLS, startTLS))
	}
	return l.report.errs == before
}

// serverNames checks the names that an endpoint is asked for.
func (l *loader) serverNames(u *built, list []string, at hcl.Range, whose func() string) (out []string, ok bool) {
	before := l.report.errs
	for _, s := range list {
		n, err := cert.ParseDNS(s)
		switch {
		case err != nil:
			l.report.error(whose(), at, "Bad server name", "%q: %v.", s, err)
		case n.Wildcard():
			l.report.error(whose(), at, "Bad server name", "%q is a wildcard; a client asks for one name.", s)
		case !covers(u.Names, n.Value):
			l.report.error(whose(), at, "Server name that no name covers", "%s is not covered by the names of %s: %s.", n, u.Address, someNames(u.Names))
		default:
			if !slices.Contains(out, n.Value) {
				out = append(out, n.Value)
			}
		}
	}
	return out, l.report.errs == before
}

// endpointAddress checks a host or IP address, and says what is wrong with it.
func endpointAddress(text string) (address, problem string) {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return a.String(), ""
	}
	switch {
	case text == "":
		return "", "The address is empty. Leave it out to ask each host itself."
	case strings.Contains(text, "://"):
		return "", "An address is a host name or an IP address, not a URL."
	case strings.Contains(text, ":"):
		return "", "An address has no port: say port = ... beside it."
	}
	host, err := hostName(text)
	if err != nil || strings.ContainsAny(host, "*/") {
		return "", "It is neither a host name nor an IP address."
	}
	return host, ""
}
