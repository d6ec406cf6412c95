// Package catalogue is the DNS hosts that libdns reaches and that have no back
// end of ours: for each what its arguments are, how it must be treated, and how
// far that was proven. A file a host.
//
// What is done at a host is left to its libdns provider, and how to live with
// its quirks to the broker in providers. Where that cannot be lived with, the
// host's file puts it right: netcup and netlify, for example, remove other
// values than they are told, and GoDaddy's provider writes one value over a set,
// so that is done here.
package catalogue

import "github.com/certform/certform/providers"

// rows is the table, in alphabetical order.
var rows = []*row{
	&acmednsRow,
	&alidnsRow,
	&autodnsRow,
	&bluecatRow,
	&bunnyRow,
	&cloudnsRow,
	&desecRow,
	&digitaloceanRow,
	&directadminRow,
	&dnsimpleRow,
	&dnsupdateRow,
	&domainnameshopRow,
	&duckdnsRow,
	&dynuRow,
	&dynv6Row,
	&easydnsRow,
	&gandiRow,
	&gcoreRow,
	&glesysRow,
	&godaddyRow,
	&heRow,
	&hetznerRow,
	&huaweicloudRow,
	&infomaniakRow,
	&inwxRow,
	&ionosRow,
	&linodeRow,
	&loopiaRow,
	&luadnsRow,
	&mailinaboxRow,
	&metanameRow,
	&mijnhostRow,
	&mythicbeastsRow,
	&namecheapRow,
	&namesiloRow,
	&netcupRow,
	&netlifyRow,
	&nfsnRow,
	&njallaRow,
	&oraclecloudRow,
	&ovhRow,
	&porkbunRow,
	&regfishRow,
	&scalewayRow,
	&simplydotcomRow,
	&tencentcloudRow,
	&transipRow,
	&unifiRow,
	&volcengineRow,
	&vultrRow,
	&wedosRow,
	&westcnRow,
}

// Kinds is the table for cmd/certform.
func Kinds() []providers.Kind {
	out := make([]providers.Kind, len(rows))
	for i, r := range rows {
		out[i] = r.kind()
	}
	return out
}
