package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/certform/certform/orchestrator/world"
)

// inFlight is how many requests one client has under way at most.
const inFlight = 64

// api is a client that all places with the same credentials share.
type api struct {
	*s3.Client
	slots chan struct{}
}

func (s *Spec) client(ctx context.Context, w *world.World) (api, func(), error) {
	key := strings.Join([]string{"s3", s.Region, s.Profile, s.AccessKeyID, s.SecretAccessKey.Ref(), s.SessionToken.Ref(), s.RoleARN, s.EndpointURL}, "\x00")
	return world.Shared(ctx, w, key, func(ctx context.Context) (api, error) { return s.connect(ctx, w) })
}

func (s *Spec) connect(ctx context.Context, w *world.World) (api, error) {
	// The SDK's own kind of client: only to that does it add AWS_CA_BUNDLE.
	hc := awshttp.NewBuildableClient().WithTimeout(time.Minute).WithTransportOptions(func(t *http.Transport) {
		t.DialContext = w.DialContext
		if w.Dial != nil {
			t.Proxy = nil
		}
		if w.Roots != nil {
			t.TLSClientConfig.RootCAs = w.Roots
		}
	})
	opts := []func(*config.LoadOptions) error{
		config.WithHTTPClient(hc),
		config.WithDefaultRegion("us-east-1"),
		// The SDK would print its warnings to standard error by itself.
		config.WithLogger(logging.Nop{}),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = 3
				o.MaxBackoff = 2 * time.Second // longer pauses are the engine's
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
			return api{}, err
		}
		token := ""
		if !s.SessionToken.Zero() {
			if token, err = w.Resolve(ctx, s.SessionToken.Ref()); err != nil {
				return api{}, err
			}
		}
		opts = append(opts, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(s.AccessKeyID, strings.TrimSpace(secret), strings.TrimSpace(token))))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return api{}, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if s.RoleARN != "" {
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), s.RoleARN,
			func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "certform" }))
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return api{}, world.Hint(fmt.Errorf("find AWS credentials: %w", told(err)),
			"give access_key_id and secret_access_key, a profile, or run where the AWS command line works")
	}
	return api{s3.NewFromConfig(cfg, func(o *s3.Options) {
		if s.EndpointURL == "" {
			return
		}
		o.BaseEndpoint = aws.String(s.EndpointURL)
		o.UsePathStyle = true
		// Checksums of the newer kinds are not known everywhere.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	}), make(chan struct{}, inFlight)}, nil
}

// begin waits for a slot.
func (a api) begin(ctx context.Context) (end func(), err error) {
	select {
	case a.slots <- struct{}{}:
		return func() { <-a.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// code is the service's word for an error, or the HTTP status as text where it
// sent none (a HEAD has no body).
func code(err error) string {
	var e interface{ ErrorCode() string }
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

func status(err error) int {
	var e *awshttp.ResponseError
	if errors.As(err, &e) {
		return e.HTTPStatusCode()
	}
	return 0
}

// told is an error of the SDK in the service's words.
func told(err error) error {
	var e interface {
		error
		ErrorCode() string
		ErrorMessage() string
	}
	if !errors.As(err, &e) {
		return err
	}
	words := e.ErrorCode()
	if m := strings.TrimSpace(e.ErrorMessage()); m != "" && m != words {
		words += ": " + m
	}
	short := errors.New(words)
	switch e.ErrorCode() {
	case "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
		"AccessDeniedException", "InvalidClientTokenId", "KMS.DisabledException", "KMS.NotFoundException":
		return world.Never(short)
	case "NoSuchBucket", "InvalidBucketName", "AllAccessDisabled":
		return world.Never(short)
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "BadRequest":
		return world.Never(world.Hint(short, "the bucket may be in another region: set region"))
	}
	return short
}
