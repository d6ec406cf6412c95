package main

import (
	"cmp"
	"slices"

	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/azure"
	"github.com/certform/certform/providers/catalogue"
	"github.com/certform/certform/providers/cloudflare"
	"github.com/certform/certform/providers/exec"
	"github.com/certform/certform/providers/googleclouddns"
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
	all := append([]providers.Kind{
		azure.Kind(),
		cloudflare.Kind(),
		exec.Kind(),
		googleclouddns.Kind(),
		powerdns.Kind(),
		rfc2136.Kind(),
		route53.Kind(),
		webhook.Kind(),
	}, catalogue.Kinds()...)
	slices.SortFunc(all, func(a, b providers.Kind) int { return cmp.Compare(a.Name, b.Name) })
	return all
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
