package route53test

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

type xmlConfig struct{ PrivateZone bool }

type xmlZone struct {
	ID              string `xml:"Id"`
	Name            string
	CallerReference string
	Config          xmlConfig
	Count           int `xml:"ResourceRecordSetCount"`
}

func (z *zone) xml() xmlZone {
	return xmlZone{"/hostedzone/" + z.id, z.name, z.id, xmlConfig{z.private}, len(z.sets)}
}

// sorted is the zones as Route 53 sorts them.
func (s *Server) sorted() []*zone {
	out := slices.Clone(s.zones)
	slices.SortStableFunc(out, func(a, b *zone) int { return strings.Compare(order(a.name)+a.id, order(b.name)+b.id) })
	return out
}

func (s *Server) list(r *http.Request) (any, error) {
	type answer struct {
		XMLName     xml.Name  `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ListHostedZonesResponse"`
		HostedZones []xmlZone `xml:"HostedZones>HostedZone"`
		IsTruncated bool
		NextMarker  string `xml:",omitempty"`
		MaxItems    int
	}
	a := answer{MaxItems: s.page(r)}
	marker := r.URL.Query().Get("marker")
	for _, z := range s.sorted() {
		if marker != "" && z.id != marker {
			continue
		}
		marker = ""
		if len(a.HostedZones) == a.MaxItems {
			a.IsTruncated, a.NextMarker = true, z.id
			break
		}
		a.HostedZones = append(a.HostedZones, z.xml())
	}
	return a, nil
}

func (s *Server) byName(r *http.Request) (any, error) {
	type answer struct {
		XMLName          xml.Name  `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ListHostedZonesByNameResponse"`
		HostedZones      []xmlZone `xml:"HostedZones>HostedZone"`
		DNSName          string    `xml:",omitempty"`
		IsTruncated      bool
		NextDNSName      string `xml:",omitempty"`
		NextHostedZoneID string `xml:"NextHostedZoneId,omitempty"`
		MaxItems         int
	}
	q := r.URL.Query()
	a := answer{MaxItems: s.page(r), DNSName: q.Get("dnsname")}
	from := order(dns.CanonicalName(a.DNSName)) + q.Get("hostedzoneid")
	for _, z := range s.sorted() {
		if order(z.name)+z.id < from {
			continue
		}
		if len(a.HostedZones) == a.MaxItems {
			a.IsTruncated, a.NextDNSName, a.NextHostedZoneID = true, z.name, z.id
			break
		}
		a.HostedZones = append(a.HostedZones, z.xml())
	}
	return a, nil
}

func (s *Server) get(id string) (any, error) {
	type answer struct {
		XMLName    xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ GetHostedZoneResponse"`
		HostedZone xmlZone
	}
	z := s.zone(id)
	if z == nil {
		return nil, noZone(id)
	}
	return answer{HostedZone: z.xml()}, nil
}

func noZone(id string) error {
	return &fault{404, "NoSuchHostedZone", "No hosted zone found with ID: " + id}
}

type xmlRecord struct{ Value string }

type xmlSet struct {
	Name          string
	Type          string
	SetIdentifier string      `xml:",omitempty"`
	TTL           *int        `xml:",omitempty"`
	Records       []xmlRecord `xml:"ResourceRecords>ResourceRecord"`
}

func (s *Server) records(id string, r *http.Request) (any, error) {
	type answer struct {
		XMLName        xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ListResourceRecordSetsResponse"`
		Sets           []xmlSet `xml:"ResourceRecordSets>ResourceRecordSet"`
		IsTruncated    bool
		NextRecordName string `xml:",omitempty"`
		NextRecordType string `xml:",omitempty"`
		MaxItems       int
	}
	z := s.zone(id)
	if z == nil {
		return nil, noZone(id)
	}
	q := r.URL.Query()
	if q.Get("type") != "" && q.Get("name") == "" {
		return nil, &fault{400, "InvalidInput", "The request cannot contain type without name"}
	}
	var keys []setKey
	for k := range z.sets {
		keys = append(keys, k)
	}
	rank := func(k setKey) string { return order(k.name) + " " + k.typ }
	slices.SortFunc(keys, func(a, b setKey) int { return strings.Compare(rank(a), rank(b)) })
	a := answer{MaxItems: s.page(r)}
	from := ""
	if name := q.Get("name"); name != "" {
		from = rank(setKey{dns.CanonicalName(name), q.Get("type")})
	}
	for _, k := range keys {
		if rank(k) < from {
			continue
		}
		if len(a.Sets) == a.MaxItems {
			a.IsTruncated, a.NextRecordName, a.NextRecordType = true, k.name, k.typ
			break
		}
		one := xmlSet{Name: strings.ReplaceAll(k.name, "*", `\052`), Type: k.typ, TTL: &z.sets[k].ttl}
		for _, v := range z.sets[k].values {
			one.Records = append(one.Records, xmlRecord{v})
		}
		a.Sets = append(a.Sets, one)
	}
	return a, nil
}

type xmlChange struct {
	XMLName     xml.Name
	ID          string `xml:"ChangeInfo>Id"`
	Status      string `xml:"ChangeInfo>Status"`
	SubmittedAt string `xml:"ChangeInfo>SubmittedAt"`
}

func (s *Server) info(root, id string) xmlChange {
	status := "INSYNC"
	if time.Now().Before(s.changes[id]) {
		status = "PENDING"
	}
	return xmlChange{xml.Name{Space: xmlns, Local: root}, "/change/" + id, status, time.Now().UTC().Format(time.RFC3339)}
}

func (s *Server) changed(id string) (any, error) {
	if _, ok := s.changes[id]; !ok {
		return nil, &fault{404, "NoSuchChange", "Could not find resource with ID: " + id}
	}
	return s.info("GetChangeResponse", id), nil
}

// order is a name's labels from the root: how Route 53 sorts.
func order(name string) string {
	labels := dns.SplitDomainName(name)
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "."
}
