package azuretest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/dns/armdns"
	"github.com/miekg/dns"
)

// The limits of one set (learn.microsoft.com/azure/dns/dns-zones-records and
// dns-faq).
const (
	mostRecords = 20
	mostInSet   = 4096
	mostString  = 255
)

func kind(r *armdns.RecordSet) string {
	return (*r.Type)[strings.LastIndex(*r.Type, "/")+1:]
}

// text is a record with its strings put together.
func text(t *armdns.TxtRecord) string {
	var b strings.Builder
	for _, v := range t.Value {
		b.WriteString(*v)
	}
	return b.String()
}

func (z *zone) find(typ, name string) *armdns.RecordSet {
	for _, r := range z.sets {
		if kind(r) == typ && strings.EqualFold(*r.Name, name) {
			return r
		}
	}
	return nil
}

func (z *zone) remove(typ, name string) {
	z.sets = slices.DeleteFunc(z.sets, func(r *armdns.RecordSet) bool { return kind(r) == typ && strings.EqualFold(*r.Name, name) })
}

// set is a set with what the service says of it itself.
func (z *zone) set(s *Server, typ, name string, p *armdns.RecordSetProperties) *armdns.RecordSet {
	own := *p
	fqdn := dns.CanonicalName(name + "." + *z.Name)
	if name == "@" {
		fqdn = dns.CanonicalName(*z.Name)
	}
	own.Fqdn, own.ProvisioningState, own.TargetResource = to.Ptr(fqdn), to.Ptr("Succeeded"), &armdns.SubResource{}
	return &armdns.RecordSet{
		ID: to.Ptr(*z.ID + "/" + typ + "/" + name), Name: to.Ptr(name), Type: to.Ptr("Microsoft.Network/dnszones/" + typ),
		Etag: to.Ptr(s.etag()), Properties: &own,
	}
}

// condition checks what a request expects of the set that is there.
func condition(r *http.Request, have *armdns.RecordSet) *fault {
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	failed := func(header, value string) *fault {
		current := "n/a"
		if have != nil {
			current = *have.Etag
		}
		return &fault{http.StatusPreconditionFailed, "PreconditionFailed", fmt.Sprintf("The condition '%s' in the %s header was not satisfied. The current was '%s'.", value, header, current)}
	}
	switch {
	case match == "" && none == "":
		return &fault{http.StatusPreconditionRequired, "PreconditionRequired", "The request states no condition, and may lose what others wrote."}
	case match == "*" || none != "" && none != "*":
		return &fault{http.StatusBadRequest, "BadRequest", "The condition protects nothing."}
	case none == "*" && have != nil:
		return failed("If-None-Match", none)
	case match != "" && (have == nil || *have.Etag != match):
		return failed("If-Match", match)
	}
	return nil
}

func (s *Server) put(r *http.Request, z *zone, name string) (int, any, *fault) {
	bad := func(format string, args ...any) (int, any, *fault) {
		return 0, nil, &fault{http.StatusBadRequest, "BadRequest", fmt.Sprintf(format, args...)}
	}
	if r.Header.Get("Content-Type") != "application/json" {
		return 0, nil, &fault{http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The content media type is not supported. Only 'application/json' is."}
	}
	var raw struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Etag       *string                    `json:"etag"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&raw); err != nil {
		return bad("The request content was invalid and could not be deserialized: %v", err)
	}
	if unknown := slices.DeleteFunc(slices.Sorted(maps.Keys(raw.Properties)), known); len(unknown) > 0 {
		return bad("Could not find member '%s' on object of type 'RecordSetProperties'.", unknown[0])
	}
	body, err := json.Marshal(raw.Properties)
	if err != nil {
		return bad("%v", err)
	}
	var p armdns.RecordSetProperties
	if err := json.Unmarshal(body, &p); err != nil {
		return bad("The request content was invalid and could not be deserialized: %v", err)
	}
	if problem := check(&p); problem != "" {
		return bad("%s", problem)
	}
	if len(p.ARecords)+len(p.AaaaRecords)+len(p.MxRecords)+len(p.NsRecords)+len(p.CaaRecords)+len(p.PtrRecords)+len(p.SrvRecords) > 0 || p.CnameRecord != nil || p.SoaRecord != nil {
		return bad("The type of the record set does not match the records in it.")
	}
	if z.find("CNAME", name) != nil {
		return bad("The record could not be created because a CNAME record with the same name already exists in this zone.")
	}
	have := z.find("TXT", name)
	if f := condition(r, have); f != nil {
		return 0, nil, f
	}
	before := slices.Clone(z.sets)
	z.remove("TXT", name)
	set := z.set(s, "TXT", name, &p)
	z.sets = append(z.sets, set)
	z.publish(before)
	if have == nil {
		return http.StatusCreated, set, nil
	}
	return http.StatusOK, set, nil
}

// known reports whether a property is one of a set.
func known(name string) bool {
	return slices.Contains([]string{"TTL", "TXTRecords", "ARecords", "AAAARecords", "caaRecords", "CNAMERecord", "MXRecords", "NSRecords",
		"PTRRecords", "SOARecord", "SRVRecords", "metadata", "targetResource", "fqdn", "provisioningState"}, name)
}

// check is what Azure says against a set by itself.
func check(p *armdns.RecordSetProperties) string {
	if p.TTL == nil || *p.TTL < 1 || *p.TTL > 1<<31-1 {
		return "The TTL of a record set must be between 1 and 2147483647."
	}
	if len(p.TxtRecords) > mostRecords {
		return fmt.Sprintf("The number of records in the set is %d, which exceeds the limit of %d.", len(p.TxtRecords), mostRecords)
	}
	length := 0
	var texts []string
	for _, t := range p.TxtRecords {
		if len(t.Value) == 0 {
			return "A TXT record has no value."
		}
		for _, v := range t.Value {
			if len(*v) > mostString {
				return fmt.Sprintf("A string of a TXT record has %d characters, which exceeds the limit of %d.", len(*v), mostString)
			}
		}
		if slices.Contains(texts, text(t)) {
			return "The record set holds the same record twice."
		}
		texts = append(texts, text(t))
		length += len(text(t))
	}
	if length > mostInSet {
		return fmt.Sprintf("The TXT records of the set have %d characters, which exceeds the limit of %d.", length, mostInSet)
	}
	return ""
}

func (s *Server) delete(r *http.Request, z *zone, name string) (int, any, *fault) {
	have := z.find("TXT", name)
	if f := condition(r, have); f != nil {
		return 0, nil, f
	}
	if have == nil {
		return http.StatusNoContent, nil, nil
	}
	before := slices.Clone(z.sets)
	z.remove("TXT", name)
	z.publish(before)
	return http.StatusOK, nil, nil
}
