package main

import (
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/cloudflare"
	"github.com/certform/certform/providers/powerdns"
	"github.com/certform/certform/providers/rfc2136"
	"github.com/certform/certform/providers/route53"
	"github.com/certform/certform/providers/webhook"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/file"
	"github.com/certform/certform/sinks/haproxy"
	"github.com/certform/certform/sinks/pull"
	"github.com/certform/certform/sinks/s3"
	"github.com/certform/certform/sinks/vault"
)

// The one table of everything built in: a kind joins by one line.

func providerKinds() []providers.Kind {
	return []providers.Kind{
		cloudflare.Kind(),
		powerdns.Kind(),
		rfc2136.Kind(),
		route53.Kind(),
		webhook.Kind(),
	}
}

func sinkKinds() []sinks.Kind {
	return []sinks.Kind{
		file.Kind(),
		haproxy.Kind(),
		pull.Kind(),
		s3.Kind(),
		vault.Kind(),
	}
}
