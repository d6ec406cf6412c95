package s3_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/certform/certform/internal/rig"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/s3"
	"github.com/certform/certform/sinks/sinktest"
)

func TestMotoConformance(t *testing.T) {
	m := rig.Moto(t)
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-east-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "x", "")))
	if err != nil {
		t.Fatal(err)
	}
	client := sdk.NewFromConfig(cfg, func(o *sdk.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(m.URL), true })
	row := 0
	bucket := func(t *testing.T) string {
		row++
		name := fmt.Sprintf("certs-%d", row)
		if _, err := client.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
			t.Fatal(err)
		}
		return name
	}
	spec := func(in, layout, sse, name string) sinks.Spec {
		s := &s3.Spec{Bucket: in, Layout: layout, Region: "us-east-1", EndpointURL: m.URL, SSE: sse,
			AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: block.NewSecret("env:X")}
		if sse == "aws:kms" {
			s.KMSKeyID = "alias/tls"
		}
		s.SetCertificate(name)
		return s
	}
	for _, layout := range []string{"bundle", "pair"} {
		t.Run(layout, func(t *testing.T) {
			sinktest.Run(t, sinktest.Fixture{New: func(t *testing.T) sinktest.Backend {
				in := bucket(t)
				b := sinktest.Backend{
					World:    secrets(),
					Spec:     func(name string) sinks.Spec { return spec(in, layout, "aws:kms", name) },
					Compares: true,
				}
				if layout == "bundle" {
					b.Read = func(name string) (chain, key []byte, err error) {
						r, err := client.GetObject(context.WithoutCancel(t.Context()), &sdk.GetObjectInput{Bucket: aws.String(in), Key: aws.String(name + ".pem")})
						if err != nil {
							return nil, nil, err
						}
						defer r.Body.Close()
						data, err := io.ReadAll(r.Body)
						return data, data, err
					}
				}
				return b
			}})
		})
	}
	for _, sse := range []string{"AES256", "aws:kms"} {
		t.Run(sse, func(t *testing.T) {
			in := bucket(t)
			if _, err := (place{t, spec(in, "bundle", sse, "one"), secrets()}).put(sinktest.Bundle(t, "example.com"), sinks.Held{}); err != nil {
				t.Fatal(err)
			}
			head, err := client.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String(in), Key: aws.String("one.pem")})
			if err != nil || string(head.ServerSideEncryption) != sse {
				t.Fatalf("encryption %q, want %q: %v", head.ServerSideEncryption, sse, err)
			}
			if sse == "aws:kms" && aws.ToString(head.SSEKMSKeyId) != "alias/tls" {
				t.Errorf("KMS key %q", aws.ToString(head.SSEKMSKeyId))
			}
		})
	}
}
