package catalogue

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
)

func init() { fakes["namecheap"] = namecheapFake }

// namecheapFake is Namecheap's API: setHosts replaces all that the zone holds.
func namecheapFake() fake {
	h := &held{zone: "example.com"}
	return h.fake(map[string]string{"api_key": "canary-key", "user": "me", "client_ip": "192.0.2.9"}, func(w http.ResponseWriter, r *http.Request) {
		say := func(status, body string) {
			fmt.Fprintf(w, `<?xml version="1.0" encoding="utf-8"?><ApiResponse Status="%s" xmlns="http://api.namecheap.com/xml.response">%s<Server>x</Server></ApiResponse>`, status, body)
		}
		q := r.PostFormValue
		if r.Host != "api.namecheap.com" || r.Method != "POST" || q("ApiKey") != "canary-key" || q("ClientIp") != "192.0.2.9" {
			say("ERROR", `<Errors><Error Number="1011102">API Key is invalid or API access has not been enabled</Error></Errors>`)
			return
		}
		command := q("Command")
		if command != "namecheap.domains.getTldList" && (q("SLD") != "example" || q("TLD") != "com") {
			say("ERROR", `<Errors><Error Number="2019166">Domain not found</Error></Errors>`)
			return
		}
		body := ""
		switch command {
		case "namecheap.domains.getTldList":
			body = `<Tlds><Tld Name="com"/><Tld Name="net"/></Tlds>`
		case "namecheap.domains.dns.getHosts":
			for _, k := range h.all {
				host, _ := xml.Marshal(struct {
					XMLName xml.Name `xml:"host"`
					HostId  int      `xml:"HostId,attr"`
					Name    string   `xml:"Name,attr"`
					Type    string   `xml:"Type,attr"`
					Address string   `xml:"Address,attr"`
					MXPref  string   `xml:"MXPref,attr"`
					TTL     int      `xml:"TTL,attr"`
				}{HostId: k.ID, Name: k.Name, Type: k.Type, Address: k.Val, MXPref: "10", TTL: k.TTL})
				body += string(host)
			}
			body = `<DomainDNSGetHostsResult Domain="example.com" EmailType="NONE" IsUsingOurDNS="true">` + body + `</DomainDNSGetHostsResult>`
		case "namecheap.domains.dns.setHosts":
			h.all = nil
			for i := 1; q(fmt.Sprint("HostName", i)) != ""; i++ {
				ttl, _ := strconv.Atoi(q(fmt.Sprint("TTL", i)))
				h.add(q(fmt.Sprint("HostName", i)), q(fmt.Sprint("RecordType", i)), q(fmt.Sprint("Address", i)), ttl)
			}
			body = `<DomainDNSSetHostsResult Domain="example.com" IsSuccess="true" />`
		}
		say("OK", `<Errors /><RequestedCommand>`+command+`</RequestedCommand><CommandResponse Type="`+command+`">`+body+`</CommandResponse>`)
	})
}
