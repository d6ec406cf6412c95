package route53

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

// zoneID finds the hosted zone of a name: the one that the block names if it
// has that name, else the public one, since a private zone of the same name
// (split horizon) is not what a CA sees.
func (p *provider) zoneID(ctx context.Context, zone string) (string, error) {
	zone = dns.CanonicalName(zone)
	p.mu.Lock()
	id := p.zones[zone]
	p.mu.Unlock()
	if id != "" {
		return id, nil
	}
	id, err := p.findZone(ctx, zone)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.zones[zone] = id
	return id, nil
}

func (p *provider) findZone(ctx context.Context, zone string) (string, error) {
	if id := strings.TrimPrefix(p.spec.HostedZoneID, "/hostedzone/"); id != "" {
		if err := providers.Pace(ctx); err != nil {
			return "", err
		}
		out, err := p.api.GetHostedZone(ctx, &r53.GetHostedZoneInput{Id: aws.String(id)})
		if err != nil {
			return "", fmt.Errorf("look at hosted zone %s: %w", id, told(err, "route53:GetHostedZone"))
		}
		if plainName(aws.ToString(out.HostedZone.Name)) == zone {
			return id, nil
		}
	}
	var public, private []string
	in := &r53.ListHostedZonesByNameInput{DNSName: aws.String(zone), MaxItems: aws.Int32(100)}
	for {
		if err := providers.Pace(ctx); err != nil {
			return "", err
		}
		out, err := p.api.ListHostedZonesByName(ctx, in)
		if err != nil {
			return "", fmt.Errorf("find hosted zone %s: %w", zone, told(err, "route53:ListHostedZonesByName"))
		}
		same := true
		for _, z := range out.HostedZones {
			if same = plainName(aws.ToString(z.Name)) == zone; !same {
				break
			}
			id := strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/")
			if z.Config != nil && z.Config.PrivateZone {
				private = append(private, id)
			} else {
				public = append(public, id)
			}
		}
		if !out.IsTruncated || !same {
			break
		}
		in.DNSName, in.HostedZoneId = out.NextDNSName, out.NextHostedZoneId
	}
	found := public
	if len(found) == 0 {
		found = private
	}
	switch len(found) {
	case 0:
		return "", world.Never(fmt.Errorf("this account has no hosted zone %s", strings.TrimSuffix(zone, ".")))
	case 1:
		return found[0], nil
	}
	return "", world.Never(world.Hint(
		fmt.Errorf("this account has %d hosted zones %s: %s", len(found), strings.TrimSuffix(zone, "."), strings.Join(found, ", ")),
		"hosted_zone_id says which"))
}

// ListZones lists the account's zones, each name once.
func (p *provider) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	var out []libdns.Zone
	pages := r53.NewListHostedZonesPaginator(p.api, &r53.ListHostedZonesInput{})
	for pages.HasMorePages() {
		if err := providers.Pace(ctx); err != nil {
			return nil, err
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, told(err, "route53:ListHostedZones")
		}
		for _, z := range page.HostedZones {
			one := libdns.Zone{Name: plainName(aws.ToString(z.Name))}
			if !slices.Contains(out, one) {
				out = append(out, one)
			}
		}
	}
	return out, nil
}

// read reads the TXT sets at names. Pages of the sorted zone are read from the
// first name that is not covered yet; exactly asks for each name by itself,
// which does not depend on how the service sorts.
func (p *provider) read(ctx context.Context, id string, names []string, exactly bool) (map[string]set, error) {
	found := map[string]set{}
	names = slices.Clone(names)
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(order(a), order(b)) })
	size := int32(300)
	if exactly || len(names) == 1 {
		size = 1
	}
	for len(names) > 0 {
		if err := providers.Pace(ctx); err != nil {
			return nil, err
		}
		out, err := p.api.ListResourceRecordSets(ctx, &r53.ListResourceRecordSetsInput{
			HostedZoneId: aws.String(id), StartRecordName: aws.String(names[0]), StartRecordType: types.RRTypeTxt, MaxItems: aws.Int32(size),
		})
		if err != nil {
			return nil, fmt.Errorf("read records: %w", told(err, "route53:ListResourceRecordSets"))
		}
		last := ""
		for _, rs := range out.ResourceRecordSets {
			last = plainName(aws.ToString(rs.Name))
			if rs.Type != types.RRTypeTxt || !wanted[last] {
				continue
			}
			if rs.SetIdentifier != nil {
				return nil, world.Never(fmt.Errorf("%s has TXT records with a routing policy, which cannot be added to", last))
			}
			s := set{ttl: aws.ToInt64(rs.TTL)}
			for _, r := range rs.ResourceRecords {
				s.values = append(s.values, aws.ToString(r.Value))
			}
			found[last] = s
		}
		names = names[1:]
		if size == 1 {
			continue
		}
		for len(names) > 0 && (!out.IsTruncated || order(names[0]) < order(last)) {
			names = names[1:]
		}
	}
	return found, nil
}

// ReadTXT reads the values at names.
func (p *provider) ReadTXT(ctx context.Context, zone string, names []string) (out []libdns.RR, err error) {
	id, err := p.zoneID(ctx, zone)
	if err != nil {
		return nil, err
	}
	full := make([]string, len(names))
	for i, n := range names {
		full[i] = providers.Absolute(n, zone)
	}
	found, err := p.read(ctx, id, full, false)
	if err != nil {
		return nil, err
	}
	for i, n := range names {
		for _, v := range found[full[i]].values {
			out = append(out, libdns.RR{Name: n, Type: "TXT", Data: unquoted(v)})
		}
	}
	return out, nil
}
