package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
)

// bodyLimit is the most that is read of an object that is not described.
const bodyLimit = 1 << 20

type sink struct {
	spec *Spec
	use  func(context.Context) (api, func(), error)
}

func (s *sink) ref() string { return "s3://" + s.spec.Bucket + "/" + s.spec.object() }

// Observe asks for the object's head, and reads it only if it is not described.
func (s *sink) Observe(ctx context.Context, _ string) (sinks.Held, error) {
	a, release, err := s.use(ctx)
	if err != nil {
		return sinks.Held{}, err
	}
	defer release()
	h, _, err := s.look(ctx, a)
	if err != nil {
		return sinks.Held{}, fmt.Errorf("read %s: %w", s.ref(), err)
	}
	return h, nil
}

// look gives what is held and the object's metadata.
func (s *sink) look(ctx context.Context, a api) (sinks.Held, map[string]string, error) {
	head, err := s.head(ctx, a, s.spec.object())
	if err != nil {
		return sinks.Held{}, nil, err
	}
	h, ok := described(head.Metadata)
	if !ok {
		if h, err = s.foreign(ctx, a); err != nil {
			return sinks.Held{}, nil, err
		}
	} else if s.spec.layout() == layoutPair {
		if h.Broken, err = s.half(ctx, a, h.Leaf); err != nil {
			return sinks.Held{}, nil, err
		}
	}
	h.Ref, h.Rev = s.ref(), aws.ToString(head.ETag)
	return h, head.Metadata, nil
}

// head is fs.ErrNotExist for an object that is not there.
func (s *sink) head(ctx context.Context, a api, key string) (*s3.HeadObjectOutput, error) {
	end, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	out, err := a.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(s.spec.Bucket), Key: aws.String(key)})
	switch {
	case status(err) == http.StatusNotFound:
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, s.fault(err, "s3:GetObject on it, and s3:ListBucket on the bucket (without it a missing object looks forbidden)")
	}
	return out, nil
}

func (s *sink) get(ctx context.Context, a api, key string) ([]byte, error) {
	end, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	out, err := a.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(s.spec.Bucket), Key: aws.String(key)})
	if err != nil {
		if status(err) == http.StatusNotFound {
			return nil, fs.ErrNotExist
		}
		return nil, s.fault(err, "s3:GetObject on it")
	}
	defer out.Body.Close()
	return io.ReadAll(io.LimitReader(out.Body, bodyLimit))
}

// foreign reads an object that certform has not described.
func (s *sink) foreign(ctx context.Context, a api) (sinks.Held, error) {
	data, err := s.get(ctx, a, s.spec.object())
	if status(err) == http.StatusForbidden {
		return sinks.Held{Broken: "the object is not described by certform's metadata, and may not be read"}, nil
	}
	if err != nil {
		return sinks.Held{}, err
	}
	if s.spec.layout() == layoutPair {
		return sinks.Held{Broken: "current.json is not certform's"}, nil
	}
	chain, err := cert.ParseChain(data)
	if err != nil {
		return sinks.Held{Broken: err.Error()}, nil
	}
	h := sinks.Hold(chain)
	switch key, err := cert.ParseKey(data); {
	case err != nil:
		h.Broken = err.Error()
	case key.SPKI() != cert.SPKI(chain.Leaf().PublicKey):
		h.Broken = "the private key does not fit the certificate"
	}
	return h, nil
}

// half says which object of a pair is missing. Who may not see the key's need
// not.
func (s *sink) half(ctx context.Context, a api, leaf cert.Fingerprint) (string, error) {
	for _, name := range []string{"fullchain.pem", "privkey.pem"} {
		_, err := s.head(ctx, a, s.spec.folder()+string(leaf)+"/"+name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return name + " is missing", nil
		case err != nil && !errors.Is(err, world.ErrNever):
			return "", err
		}
	}
	return "", nil
}

// Put writes the bundle, or the pair and then the pointer, if the place is as
// it was seen.
func (s *sink) Put(ctx context.Context, b *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	if ctx.Err() != nil {
		return sinks.Held{}, context.Cause(ctx)
	}
	a, release, err := s.use(ctx)
	if err != nil {
		return sinks.Held{}, err
	}
	defer release()
	h, err := s.put(ctx, a, b, was)
	if err != nil {
		return sinks.Held{}, fmt.Errorf("write %s: %w", s.ref(), err)
	}
	return h, nil
}

func (s *sink) put(ctx context.Context, a api, b *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	now, meta, err := s.look(ctx, a)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sinks.Held{}, err
	}
	if fits(meta, b) && now.Broken == "" {
		return now, nil
	}
	if now.Rev != was.Rev {
		return sinks.Held{}, sinks.ErrChanged
	}
	var tidy func() []string
	o := object{key: s.spec.object(), meta: describe(b), was: &was.Rev}
	if s.spec.layout() == layoutPair {
		o.body, tidy, err = s.pair(ctx, a, b, now.Rev != "")
		o.kind = "application/json"
	} else {
		o.body, err = b.CombinedPEM()
		o.kind = pemType
	}
	if err != nil {
		return sinks.Held{}, err
	}
	if err := s.write(ctx, a, o); err != nil {
		// The answer may have got lost, and a repeat refused because of it.
		if h, meta, lerr := s.look(context.WithoutCancel(ctx), a); lerr != nil || !fits(meta, b) || h.Rev == was.Rev {
			return sinks.Held{}, err
		}
	}
	var notes []string
	if tidy != nil {
		notes = tidy()
	}
	h, meta, err := s.look(ctx, a)
	if err != nil {
		return sinks.Held{}, err
	}
	if !fits(meta, b) {
		return sinks.Held{}, sinks.ErrChanged
	}
	h.Notes = append(h.Notes, notes...)
	return h, nil
}

// pair writes the two objects that nobody points at yet, and gives the pointer
// to them, and what removes the pair that no reader needs any more.
func (s *sink) pair(ctx context.Context, a api, b *cert.Bundle, exists bool) (body []byte, tidy func() []string, err error) {
	var old *pointer
	if exists {
		data, err := s.get(ctx, a, s.spec.object())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		old = s.spec.parsePointer(data)
	}
	p := s.spec.point(b, old)
	key, err := b.Key().PEM()
	if err != nil {
		return nil, nil, err
	}
	for _, o := range []object{
		{key: p.PrivateKey, body: key, kind: pemType, meta: describe(b)},
		{key: p.Fullchain, body: b.FullchainPEM(), kind: pemType, meta: describe(b)},
	} {
		if err := s.write(ctx, a, o); err != nil {
			return nil, nil, err
		}
	}
	if body, err = json.MarshalIndent(p, "", "  "); err != nil {
		return nil, nil, err
	}
	return append(body, '\n'), func() []string { return s.tidy(ctx, a, old, p) }, nil
}

// tidy removes the pair before the one before. That it fails harms nobody.
func (s *sink) tidy(ctx context.Context, a api, old, now *pointer) []string {
	if old == nil || old.Previous == nil || *old.Previous == now.pair() || now.Previous != nil && *old.Previous == *now.Previous {
		return nil
	}
	for _, key := range []string{old.Previous.PrivateKey, old.Previous.Fullchain} {
		if s.spec.parsePointer([]byte(fmt.Sprintf(`{"format":1,"fullchain":%q,"private_key":%q}`, key, key))) == nil {
			continue
		}
		if _, err := a.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(s.spec.Bucket), Key: aws.String(key)}); err != nil {
			return []string{"an old pair could not be removed (" + told(err).Error() + "): allow s3:DeleteObject, or let a lifecycle rule do it"}
		}
	}
	return nil
}

const pemType = "application/x-pem-file"

// object is one to be written.
type object struct {
	key, kind string
	body      []byte
	meta      map[string]string
	was       *string // nil: without condition; the ETag that it must have, "" for none
}

func (s *sink) write(ctx context.Context, a api, o object) error {
	end, err := a.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	in := &s3.PutObjectInput{
		Bucket: aws.String(s.spec.Bucket), Key: aws.String(o.key),
		Body: bytes.NewReader(o.body), ContentType: aws.String(o.kind), Metadata: o.meta,
		ServerSideEncryption: types.ServerSideEncryption(s.spec.SSE),
	}
	if s.spec.KMSKeyID != "" {
		in.SSEKMSKeyId = aws.String(s.spec.KMSKeyID)
	}
	switch {
	case o.was == nil:
	case *o.was == "":
		in.IfNoneMatch = aws.String("*")
	default:
		in.IfMatch = o.was
	}
	_, err = a.PutObject(ctx, in)
	if o.was != nil && code(err) == "NotImplemented" {
		in.IfMatch, in.IfNoneMatch, in.Body = nil, nil, bytes.NewReader(o.body)
		_, err = a.PutObject(ctx, in)
	}
	switch {
	case err == nil:
		return nil
	case o.was != nil && (code(err) == "PreconditionFailed" || code(err) == "ConditionalRequestConflict" ||
		*o.was != "" && code(err) == "NoSuchKey" || status(err) == http.StatusPreconditionFailed):
		return fmt.Errorf("%w (%w)", sinks.ErrChanged, told(err))
	}
	needs := "s3:PutObject on it"
	if s.spec.SSE == sseKMS {
		needs += ", and kms:GenerateDataKey and kms:Decrypt on the key"
	}
	return s.fault(err, needs)
}

// fault keeps the service's words and says what right is missing.
func (s *sink) fault(err error, needs string) error {
	out := told(err)
	if status(err) == http.StatusForbidden {
		out = world.Hint(world.Never(out), "needed is "+needs+", and a valid key")
	}
	return &answer{out, err}
}

// answer is an error in few words that keeps the SDK's for errors.As.
type answer struct{ short, whole error }

func (a *answer) Error() string   { return a.short.Error() }
func (a *answer) Unwrap() []error { return []error{a.short, a.whole} }
