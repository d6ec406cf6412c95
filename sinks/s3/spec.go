// Package s3 is the sink that keeps a certificate in a bucket of Amazon S3 or
// of anything that speaks its protocol.
//
// # Layouts
//
// "bundle" is one PEM object with chain and key. "pair" is for consumers that
// want two: NAME/LEAF/fullchain.pem and privkey.pem, which never change, and
// NAME/current.json, which points at them and is written last. Who reads
// current.json once and then what it names gets one pair; the pair before stays
// until the next renewal.
//
// What an object holds is described in its metadata (fingerprints, serial,
// names, not_after), so looking needs a HeadObject and no GetObject. Writes are
// conditional on what was seen (If-Match, If-None-Match). A server that does
// not know conditions is written to without.
package s3

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
)

// The values of layout and sse.
const (
	layoutBundle = "bundle"
	layoutPair   = "pair"
	sseS3        = "AES256"
	sseKMS       = "aws:kms"
)

// Spec is a decoded block.
type Spec struct {
	Bucket          string       `arg:"bucket,required" doc:"The bucket."`
	Prefix          string       `arg:"prefix" doc:"What the names of the objects begin with; a slash is put between."`
	Name            string       `arg:"name" doc:"Name of the object (bundle), or what the names of the objects begin with (pair). Default: the certificate's name, with .pem for a bundle."`
	Layout          string       `arg:"layout" default:"bundle" doc:"bundle: one PEM object with chain and key. pair: fullchain.pem and privkey.pem in a folder for each version, and current.json that points at them."`
	Region          string       `arg:"region" doc:"The bucket's region. Default: that of the environment or profile, else us-east-1."`
	Profile         string       `arg:"profile" doc:"A profile of the shared AWS configuration."`
	AccessKeyID     string       `arg:"access_key_id" doc:"A static key; needs secret_access_key. Default: the credentials of the environment, as the AWS command line finds them."`
	SecretAccessKey block.Secret `arg:"secret_access_key" doc:"The secret of access_key_id."`
	SessionToken    block.Secret `arg:"session_token" doc:"The token of a temporary key."`
	RoleARN         string       `arg:"role_arn" doc:"A role to take on with these credentials."`
	EndpointURL     string       `arg:"endpoint_url" doc:"Another endpoint than Amazon's: MinIO, Ceph, R2 and so on. Buckets are addressed in the path then."`
	SSE             string       `arg:"sse" doc:"Encryption at rest: AES256 or aws:kms. Default: the bucket's."`
	KMSKeyID        string       `arg:"kms_key_id" doc:"Id or ARN of the KMS key. Default: the bucket's, or the account's own."`

	certificate string
}

// Kind is the sink's line in the table of kinds.
func Kind() sinks.Kind {
	return sinks.Kind{
		Name: "s3",
		Doc:  "Objects in a bucket of Amazon S3 or anything that speaks its protocol: one PEM bundle, or a versioned pair with a pointer, written conditionally.",
		Example: `sink "s3" "store" {
  bucket = "example-certificates"
  prefix = "tls"
  region = "eu-central-1"
  sse    = "aws:kms"
}
`,
		New: func() sinks.Spec { return &Spec{Layout: layoutBundle} },
	}
}

// SetCertificate gives the default of name.
func (s *Spec) SetCertificate(name string) { s.certificate = name }

var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$|^arn:`)

// Check says what is wrong beyond types.
func (s *Spec) Check() []block.Problem {
	var out []block.Problem
	wrong := func(arg, summary, detail string) {
		out = append(out, block.Problem{Argument: arg, Summary: summary, Detail: detail})
	}
	if !bucketName.MatchString(s.Bucket) {
		wrong("bucket", "Not the name of a bucket", fmt.Sprintf("%q is not a name of 3 to 63 letters, digits, dots and hyphens.", s.Bucket))
	}
	if s.layout() != layoutBundle && s.layout() != layoutPair {
		wrong("layout", "Unknown layout", fmt.Sprintf("%q is not a layout; there are bundle and pair.", s.Layout))
	}
	if s.SSE != "" && s.SSE != sseS3 && s.SSE != sseKMS {
		wrong("sse", "Unknown encryption", fmt.Sprintf("%q is not a way to encrypt; there are AES256 and aws:kms.", s.SSE))
	}
	if s.KMSKeyID != "" && s.SSE != sseKMS {
		wrong("kms_key_id", "No KMS encryption", `A KMS key is used with sse = "aws:kms" only.`)
	}
	if (s.AccessKeyID == "") != s.SecretAccessKey.Zero() {
		have, lack := "access_key_id", "secret_access_key"
		if s.AccessKeyID == "" {
			have, lack = lack, have
		}
		wrong(have, "Half a key", fmt.Sprintf("%s needs %s beside it; leave out both to use the credentials of the environment.", have, lack))
	}
	if !s.SessionToken.Zero() && s.AccessKeyID == "" {
		wrong("session_token", "No key", "A session token belongs to a temporary key: give access_key_id and secret_access_key too.")
	}
	if s.AccessKeyID != "" && s.Profile != "" {
		wrong("profile", "Two ways to say who", "Give either a profile or a key.")
	}
	if s.EndpointURL != "" {
		if u, err := url.Parse(s.EndpointURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			wrong("endpoint_url", "Not a URL", "endpoint_url begins with https:// or http:// and names a host.")
		} else if u.User != nil {
			wrong("endpoint_url", "Password in a URL", `A URL is shown in plans and errors. Give the key as access_key_id and secret_access_key = secret("env:NAME").`)
		}
	}
	if name := s.object(); name == "" || strings.HasSuffix(name, "/") || len(name) > 900 {
		wrong("name", "Not the name of an object", fmt.Sprintf("%q cannot be an object's name.", name))
	}
	return out
}

// Target is the object that says what is current.
func (s *Spec) Target() string {
	endpoint := strings.ToLower(strings.TrimRight(s.EndpointURL, "/"))
	return "s3:" + endpoint + ":" + s.Bucket + "/" + s.object()
}

// Open finds the credentials.
func (s *Spec) Open(ctx context.Context, w *world.World) (sinks.Sink, error) {
	_, release, err := s.client(ctx, w)
	if err != nil {
		return nil, err
	}
	release()
	return &sink{spec: s, use: func(ctx context.Context) (api, func(), error) { return s.client(ctx, w) }}, nil
}

func (s *Spec) layout() string {
	if s.Layout == "" {
		return layoutBundle
	}
	return s.Layout
}

// folder is what the names of a pair's objects begin with, with its slash.
func (s *Spec) folder() string {
	return join(s.Prefix, or(s.Name, s.certificate)) + "/"
}

// object is the one whose state is the place's state.
func (s *Spec) object() string {
	switch {
	case s.Name == "" && s.certificate == "":
		return ""
	case s.layout() == layoutPair:
		return s.folder() + "current.json"
	case s.Name != "":
		return join(s.Prefix, s.Name)
	}
	return join(s.Prefix, s.certificate+".pem")
}

func join(prefix, name string) string {
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return prefix + strings.TrimLeft(name, "/")
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
