package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/tencentcloud"
)

var tencentcloudRow = row{
	name: "tencentcloud", title: "Tencent Cloud (DNSPod)", version: "v1.4.3",
	quirks: providers.Quirks{MinTTL: 600 * time.Second, PerSecond: 5},
	read: cites{
		Values: "several: client.go:82@v1.4.3 creates one record a call; its SetRecords overwrites the first value of a name (provider.go:26) and is not used",
		Append: "adds: client.go:82@v1.4.3; an error of the host becomes \"returned value is not valid\", client.go:93",
		Delete: "by exact value: client.go:165@v1.4.3; upstream looks at no answer to a removal (client.go:134) and takes every error of a search for \"not found\" (client.go:173); here both are read",
		ID:     "not needed: client.go:138@v1.4.3 finds it again",
		TTL:    "600 s is assumed, upstream's own default: types.go:97@v1.4.3; it has no bound, client.go:74",
		Batch:  "one call a record: provider.go:15@v1.4.3",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: client.go:82 and 134@v1.4.3",
	},
	proof: scripted,
	special: "Upstream ignores what the host says of an error; here its code and words are shown, and a removal that was refused is an error. " +
		"Values are written for the default line. session_token is for temporary credentials. " +
		"region is no argument: upstream signs for another host than it asks then (signer.go:17@v1.4.3).",
	docs: map[string]string{
		"secret_id":     "The id of the API key (SecretId).",
		"secret_key":    "The secret of the API key (SecretKey).",
		"session_token": "The token of temporary credentials.",
	},
	secrets:  []string{"secret_key", "session_token"},
	required: []string{"secret_id", "secret_key"},
	omit:     []string{"region"},
	open:     func() providers.Provider { return new(tencentcloudHeard) },
}

// tencentcloudHeard reads what the host answers.
type tencentcloudHeard struct{ tencentcloud.Provider }

const (
	tencentcloudURL  = "https://dnspod.tencentcloudapi.com"
	tencentcloudLine = "默认" // the default line
	tencentcloudMost = 3000 // records in one answer
)

func (p *tencentcloudHeard) call(ctx context.Context, action string, in any) (tencentcloud.ResponseData, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return tencentcloud.ResponseData{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, tencentcloudURL, strings.NewReader(string(body)))
	if err != nil {
		return tencentcloud.ResponseData{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-TC-Version", "2021-03-23")
	tencentcloud.SignRequest(p.SecretId, p.SecretKey, p.SessionToken, req, action, string(body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return tencentcloud.ResponseData{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return tencentcloud.ResponseData{}, err
	}
	var out tencentcloud.Response
	if err := json.Unmarshal(text, &out); err != nil {
		return tencentcloud.ResponseData{}, fmt.Errorf("%s: status %s: %w", action, resp.Status, err)
	}
	if e := out.Response.Error; e != nil {
		return out.Response, fmt.Errorf("%s: %s: %s", action, e.Code, e.Message)
	}
	return out.Response, nil
}

// find is the TXT records of the zone, or of one name in it.
func (p *tencentcloudHeard) find(ctx context.Context, zone, name string) ([]tencentcloud.RecordInfo, error) {
	out, err := p.call(ctx, tencentcloud.DescribeRecordList, tencentcloud.FindRecordRequest{
		Domain: strings.TrimSuffix(zone, "."), RecordType: "TXT", RecordLine: tencentcloudLine, Subdomain: name, Limit: tencentcloudMost,
	})
	if e := out.Error; e != nil && e.Code == "ResourceNotFound.NoDataOfRecord" {
		return nil, nil // that is an empty list
	}
	return out.RecordList, err
}

func (p *tencentcloudHeard) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	have, err := p.find(ctx, zone, "")
	var out []libdns.Record
	for _, h := range have {
		out = append(out, libdns.TXT{Name: h.Name, TTL: time.Duration(h.TTL) * time.Second, Text: h.Value})
	}
	return whole(out, err, tencentcloudMost)
}

func (p *tencentcloudHeard) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	var out []libdns.Record
	for _, r := range recs {
		rr := r.RR()
		_, err := p.call(ctx, tencentcloud.CreateRecord, tencentcloud.CreateModifyRecordRequest{
			Domain: strings.TrimSuffix(zone, "."), SubDomain: rr.Name, RecordType: rr.Type, RecordLine: tencentcloudLine, Value: rr.Data, TTL: int64(rr.TTL / time.Second),
		})
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

// DeleteRecords deletes by exact value. What is not there is no error.
func (p *tencentcloudHeard) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	var out []libdns.Record
	for _, r := range recs {
		rr := r.RR()
		have, err := p.find(ctx, zone, rr.Name)
		if err != nil {
			return out, err
		}
		for _, h := range have {
			if h.Name != rr.Name || h.Type != rr.Type || h.Value != rr.Data {
				continue
			}
			if _, err := p.call(ctx, tencentcloud.DeleteRecord, tencentcloud.DeleteRecordRequest{Domain: strings.TrimSuffix(zone, "."), RecordId: uint64(h.RecordId)}); err != nil {
				return out, err
			}
			out = append(out, r)
		}
	}
	return out, nil
}
