package rig_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/certform/certform/internal/rig"
)

func TestMoto(t *testing.T) {
	s := rig.Moto(t)
	for _, one := range s.Env() { // so that Env is what the SDK reads
		name, value, _ := strings.Cut(one, "=")
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := route53.NewFromConfig(cfg)
	name, reference := "a.test", "once"
	made, err := client.CreateHostedZone(t.Context(), &route53.CreateHostedZoneInput{Name: &name, CallerReference: &reference})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.GetHostedZone(t.Context(), &route53.GetHostedZoneInput{Id: made.HostedZone.Id})
	if err != nil {
		t.Fatal(err)
	}
	if *got.HostedZone.Name != "a.test." {
		t.Errorf("the zone is named %q", *got.HostedZone.Name)
	}
	s.Reset(t)
	list, err := client.ListHostedZones(t.Context(), &route53.ListHostedZonesInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.HostedZones) != 0 {
		t.Errorf("%d zones after a reset", len(list.HostedZones))
	}
}
