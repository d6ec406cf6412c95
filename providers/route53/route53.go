// Package route53 changes zones at Amazon Route 53.
//
// A set of records is replaced only as it was last seen: the old set is
// deleted and the new one created in one ChangeBatch, which the service makes
// as a whole or refuses. So no value of another writer is lost, and names that
// are most probably new need no reading before.
package route53

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
)

const example = `dns "route53" "main" {
  # Credentials are found as the aws command finds them: environment, profile,
  # role of the machine. Or say profile, or access_key_id and secret_access_key.
  region = "us-east-1"
}
`

// Kind is the line of this provider in the table of all.
func Kind() providers.Kind {
	return providers.Kind{
		Name:    "route53",
		Doc:     "Amazon Route 53.",
		Example: example,
		New:     func() providers.Spec { return &Spec{} },
		Quirks: providers.Quirks{Batch: 300, PerSecond: 5,
			Source: "docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html: 5 requests a second and account until 2026, 1,000 elements and 32,000 characters in a batch"},
		Special: "The values of a name are one set there. It is read, removed exactly as it was read and created anew in one ChangeBatch, so that a change that somebody " +
			"else made meanwhile is not lost but makes it be read again. Where a public and a private zone have one name, the public one is meant unless " +
			"hosted_zone_id says otherwise.",
		Proven: []providers.Proof{{Level: providers.Stricter, By: []string{"github.com/aws/aws-sdk-go-v2/service/route53"}}, {Level: providers.Emulator, By: []string{"Moto"}}},
	}
}

// Spec is a block dns "route53". Without a key the credentials are found as the
// AWS command line finds them.
type Spec struct {
	Region          string        `arg:"region" doc:"Region of the endpoint; Route 53 itself has none."`
	Profile         string        `arg:"profile" doc:"A profile of the shared AWS configuration."`
	AccessKeyID     string        `arg:"access_key_id" doc:"A static key; needs secret_access_key."`
	SecretAccessKey block.Secret  `arg:"secret_access_key" doc:"The secret of access_key_id."`
	SessionToken    block.Secret  `arg:"session_token" doc:"The token of a temporary key."`
	AssumeRoleARN   string        `arg:"assume_role_arn" doc:"A role to take on with these credentials."`
	HostedZoneID    string        `arg:"hosted_zone_id" doc:"The hosted zone to use for its own name, where several have that name; default: the public one."`
	EndpointURL     string        `arg:"endpoint_url" doc:"Another endpoint than Amazon's."`
	MaxRetries      int           `arg:"max_retries" default:"5" doc:"How often one request is tried."`
	WaitForSync     bool          `arg:"wait_for_route53_sync" default:"false" doc:"Wait until Route 53 says that its servers have a change; all servers are asked anyway."`
	MaxWait         time.Duration `arg:"route53_max_wait" default:"1m" doc:"How long to wait for that."`
	SkipSyncDelete  bool          `arg:"skip_route53_sync_on_delete" default:"false" doc:"Do not wait for that after a removal."`
}

// Check says what is wrong beyond the types of the arguments.
func (s *Spec) Check() (out []block.Problem) {
	if (s.AccessKeyID == "") != s.SecretAccessKey.Zero() {
		have, lack := "access_key_id", "secret_access_key"
		if s.AccessKeyID == "" {
			have, lack = lack, have
		}
		out = append(out, block.Problem{Argument: have, Summary: "Half a key",
			Detail: fmt.Sprintf("%s is given and %s is not; leave out both to use the credentials of the environment.", have, lack)})
	}
	if s.AccessKeyID != "" && s.Profile != "" {
		out = append(out, block.Problem{Argument: "profile", Summary: "Two ways to say who",
			Detail: "Give either a profile or a key."})
	}
	if s.EndpointURL != "" {
		if u, err := url.Parse(s.EndpointURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			out = append(out, block.Problem{Argument: "endpoint_url", Summary: "Not a URL",
				Detail: "endpoint_url begins with https:// or http:// and names a host."})
		} else if u.User != nil {
			out = append(out, block.Problem{Argument: "endpoint_url", Summary: "Password in a URL",
				Detail: `A URL is shown in plans and errors. Give the key as access_key_id and secret_access_key = secret("env:NAME").`})
		}
	}
	return out
}

// Account is who asks; Amazon's limits are by account, which cannot be known
// before it is asked.
func (s *Spec) Account() string {
	return strings.Join([]string{s.EndpointURL, s.Profile, s.AccessKeyID, s.AssumeRoleARN}, " ")
}

// View is the hosted zone: several may have the same name.
func (s *Spec) View() string { return s.HostedZoneID }

// Open finds the credentials, so that a wrong one is known before the first
// change.
func (s *Spec) Open(ctx context.Context, w *world.World) (providers.Provider, error) {
	// The SDK's own kind of client: only to that does it add the roots of
	// AWS_CA_BUNDLE.
	client := awshttp.NewBuildableClient().WithTimeout(45 * time.Second).WithTransportOptions(func(t *http.Transport) {
		t.DialContext = w.DialContext
		if w.Dial != nil {
			t.Proxy = nil
		}
		if w.Roots != nil {
			t.TLSClientConfig.RootCAs = w.Roots
		}
	})
	tries := max(1, s.MaxRetries)
	opts := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		config.WithDefaultRegion("us-east-1"),
		// The SDK would print its warnings to standard error by itself.
		config.WithLogger(logging.Nop{}),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = tries
				o.MaxBackoff = 5 * time.Second // longer pauses are the broker's
			})
		}),
	}
	if s.Region != "" {
		opts = append(opts, config.WithRegion(s.Region))
	}
	if s.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(s.Profile))
	}
	if s.AccessKeyID != "" {
		secret, err := w.Resolve(ctx, s.SecretAccessKey.Ref())
		if err != nil {
			return nil, err
		}
		token := ""
		if !s.SessionToken.Zero() {
			if token, err = w.Resolve(ctx, s.SessionToken.Ref()); err != nil {
				return nil, err
			}
		}
		opts = append(opts, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(s.AccessKeyID, secret, token)))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if s.EndpointURL != "" {
		cfg.BaseEndpoint = aws.String(s.EndpointURL)
	}
	if s.AssumeRoleARN != "" {
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), s.AssumeRoleARN,
			func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "certform" }))
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return nil, world.Hint(fmt.Errorf("find AWS credentials: %w", told(err, "sts:AssumeRole")),
			"give access_key_id and secret_access_key, a profile, or run where the AWS command line works")
	}
	return &provider{api: r53.NewFromConfig(cfg), spec: s, zones: map[string]string{}}, nil
}

// told is an error of the SDK in fewer words, told apart into those that pass
// and those that do not. action is the one that was to be taken, as IAM calls
// it.
func told(err error, action string) error {
	if err == nil {
		return nil
	}
	var api interface {
		error
		ErrorCode() string
		ErrorMessage() string
	}
	if !errors.As(err, &api) {
		return err
	}
	short := fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	var answer *smithyhttp.ResponseError
	if api.ErrorCode() == "UnknownError" && errors.As(err, &answer) {
		short = fmt.Errorf("HTTP %d", answer.HTTPStatusCode())
	}
	switch api.ErrorCode() {
	case "AccessDenied", "AccessDeniedException":
		return rest.Lacking(short, action,
			"needed are route53:ChangeResourceRecordSets, ListResourceRecordSets, ListHostedZones, ListHostedZonesByName and GetHostedZone")
	case "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken",
		"UnrecognizedClientException", "MissingAuthenticationToken", "InvalidSignatureException", "OptInRequired":
		return &world.Fault{Err: short, Never: true,
			Advice: "the key is wrong, has expired, or belongs to another account"}
	case "NoSuchHostedZone":
		return world.Never(short)
	case "InvalidInput", "InvalidDomainName", "ValidationError":
		return errors.Join(short, providers.ErrRefused)
	}
	return short
}
