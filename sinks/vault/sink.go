package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
)

// The keys of the secret.
const (
	dataCertificate = "certificate"
	dataChain       = "chain"
	dataFullchain   = "fullchain"
	dataKey         = "private_key"
)

type sink struct {
	use                         func(context.Context) (*session, func(), error)
	mount, path, namespace, ref string
}

// Observe reads the metadata, and the data only where that does not tell.
func (s *sink) Observe(ctx context.Context, _ string) (sinks.Held, error) {
	c, release, err := s.use(ctx)
	if err != nil {
		return sinks.Held{}, err
	}
	defer release()
	st, err := s.look(ctx, c)
	if err != nil {
		return sinks.Held{}, fmt.Errorf("read %s: %w", s.ref, err)
	}
	if st.held.Rev == "" {
		return sinks.Held{}, fmt.Errorf("read %s: %w", s.ref, fs.ErrNotExist)
	}
	return st.held, nil
}

// state is all that can be seen of the secret.
type state struct {
	meta   metadata
	blind  bool // the metadata could not be read
	held   sinks.Held
	data   map[string]string // nil: not read
	denied error             // why not
}

func (s *sink) look(ctx context.Context, c *session) (state, error) {
	var st state
	answer, err := c.do(ctx, http.MethodGet, s.at("metadata"), nil)
	switch {
	case denied(err):
		st.blind = true
		if err := s.readData(ctx, c, &st); err != nil {
			return st, err
		}
		if st.denied != nil {
			return st, s.forbidden(err, "metadata", "read")
		}
		return st, nil
	case err != nil:
		return st, s.fault(err)
	case answer == nil:
		return st, s.version2(ctx, c)
	}
	if st.meta, err = parseMetadata(answer.Data); err != nil {
		return st, err
	}
	if st.meta.gone {
		return st, nil
	}
	if st.meta.describes() {
		st.held = st.meta.held()
		st.seal(s)
		return st, nil
	}
	return st, s.readData(ctx, c, &st)
}

// seal adds what the place itself says.
func (st *state) seal(s *sink) {
	st.held.Ref = s.ref
	st.held.Rev = strconv.Itoa(st.meta.current)
}

// readData is for a version that the metadata does not describe.
func (s *sink) readData(ctx context.Context, c *session, st *state) error {
	answer, err := c.do(ctx, http.MethodGet, s.at("data"), nil)
	if err != nil && !denied(err) {
		return s.fault(err)
	}
	if denied(err) {
		st.denied = err
		st.held.Broken = fmt.Sprintf("version %d is not described by certform's metadata, and its data may not be read", st.meta.current)
		st.seal(s)
		return nil
	}
	if answer == nil {
		if st.blind {
			return s.version2(ctx, c)
		}
		return nil
	}
	var raw struct {
		Data     map[string]any `json:"data"`
		Metadata struct {
			Version   int    `json:"version"`
			Deleted   string `json:"deletion_time"`
			Destroyed bool   `json:"destroyed"`
		} `json:"metadata"`
	}
	b, err := json.Marshal(answer.Data)
	if err == nil {
		err = json.Unmarshal(b, &raw)
	}
	if err != nil {
		return errors.New("the answer is not that of a KV version 2 mount") // it may hold a key: do not quote
	}
	if raw.Metadata.Version == 0 {
		return s.notVersion2()
	}
	st.meta.exists, st.meta.current = true, raw.Metadata.Version
	if st.meta.gone = raw.Data == nil || raw.Metadata.Destroyed || past(raw.Metadata.Deleted); st.meta.gone {
		return nil
	}
	st.data = map[string]string{}
	for k, v := range raw.Data {
		if text, ok := v.(string); ok {
			st.data[k] = text
		}
	}
	st.held = judge(st.data)
	st.seal(s)
	return nil
}

// judge says what the data holds, also where somebody else has written it with
// fewer keys.
func judge(data map[string]string) sinks.Held {
	text := data[dataFullchain]
	if text == "" {
		text = data[dataCertificate] + "\n" + data[dataChain]
	}
	chain, err := cert.ParseChain([]byte(text))
	if err != nil {
		return sinks.Held{Broken: "the secret holds no chain: " + err.Error()}
	}
	h := sinks.Hold(chain)
	key, err := cert.ParseKey([]byte(data[dataKey]))
	switch {
	case err != nil:
		h.Broken = dataKey + ": " + err.Error()
	case key.SPKI() != cert.SPKI(chain.Leaf().PublicKey):
		h.Broken = dataKey + " does not fit " + dataFullchain
	case data[dataFullchain] == "" || data[dataCertificate] == "":
		h.Broken = "the secret lacks one of the keys certificate, chain, fullchain, private_key"
	}
	return h
}

// content is the data for b.
func content(b *cert.Bundle) (map[string]string, error) {
	key, err := b.Key().PEM()
	if err != nil {
		return nil, err
	}
	return map[string]string{
		dataCertificate: string(b.CertPEM()), dataChain: string(b.IntermediatesPEM()),
		dataFullchain: string(b.FullchainPEM()), dataKey: string(key),
	}, nil
}

// Put writes a version with check-and-set and then describes it.
func (s *sink) Put(ctx context.Context, b *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	c, release, err := s.use(ctx)
	if err != nil {
		return sinks.Held{}, err
	}
	defer release()
	h, err := s.put(ctx, c, b, was)
	if err != nil {
		return sinks.Held{}, fmt.Errorf("write %s: %w", s.ref, err)
	}
	return h, nil
}

func (s *sink) put(ctx context.Context, c *session, b *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	if ctx.Err() != nil {
		return sinks.Held{}, context.Cause(ctx)
	}
	if err := s.version2(ctx, c); err != nil {
		return sinks.Held{}, err
	}
	st, err := s.look(ctx, c)
	if err != nil {
		return sinks.Held{}, err
	}
	want, err := content(b)
	if err != nil {
		return sinks.Held{}, err
	}
	if st.held.Rev != "" && st.meta.fits(b) {
		return st.held, nil
	}
	version := st.meta.current
	if st.data == nil || !equal(st.data, want) {
		if st.held.Rev != was.Rev {
			return sinks.Held{}, sinks.ErrChanged
		}
		if version, err = s.write(ctx, c, want, version); err != nil {
			return sinks.Held{}, err
		}
	}
	h := sinks.Hold(b.Chain)
	h.Ref, h.Rev = s.ref, strconv.Itoa(version)
	if st.blind {
		h.Notes = append(h.Notes, "its metadata may not be read, so looking at it reads the private key: "+s.policy("metadata", "read"))
		return h, nil
	}
	_, err = c.do(ctx, http.MethodPost, s.at("metadata"), map[string]any{"custom_metadata": st.meta.describe(b, version)})
	switch {
	case denied(err):
		// The certificate is there; it is only harder to look at.
		h.Notes = append(h.Notes, "its metadata may not be written, so looking at it reads the private key: "+s.policy("metadata", "create", "update"))
	case err != nil:
		return sinks.Held{}, fmt.Errorf("version %d is written; describe it in the metadata: %w", version, s.fault(err))
	}
	return h, nil
}

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range b {
		if a[k] != v {
			return false
		}
	}
	return true
}

// write makes the version after cas and returns its number.
func (s *sink) write(ctx context.Context, c *session, data map[string]string, cas int) (int, error) {
	answer, err := c.do(ctx, http.MethodPost, s.at("data"), map[string]any{"data": data, "options": map[string]any{"cas": cas}})
	switch {
	case denied(err):
		return 0, s.forbidden(err, "data", "create", "update")
	case status(err) == http.StatusBadRequest && strings.Contains(err.Error(), "check-and-set"):
		return 0, fmt.Errorf("%w (%w)", sinks.ErrChanged, err)
	case err != nil:
		return 0, s.fault(err)
	case answer == nil:
		return 0, s.notVersion2()
	}
	n, ok := answer.Data["version"].(json.Number)
	if !ok {
		return 0, s.notVersion2()
	}
	version, err := n.Int64()
	return int(version), err
}

// version2 asks once a session whether the mount is what it has to be: version
// 1 would take the writes as they are, under names with data/ in them.
func (s *sink) version2(ctx context.Context, c *session) error {
	c.mu.Lock()
	err, known := c.mounts[s.mount]
	c.mu.Unlock()
	if known {
		return err
	}
	answer, err := c.do(ctx, http.MethodGet, "sys/internal/ui/mounts/"+s.mount, nil)
	switch {
	case denied(err):
		// It says so too when the mount does not exist, or nothing in it may be
		// used; what is asked next says which.
		return nil
	case err != nil:
		return s.fault(err)
	case answer == nil:
		return nil
	}
	options, _ := answer.Data["options"].(map[string]any)
	if kind := answer.Data["type"]; kind != "kv" && kind != "generic" || options["version"] != "2" {
		err = s.notVersion2()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mounts[s.mount] = err
	return err
}

func (s *sink) notVersion2() error {
	return world.Never(world.Hint(fmt.Errorf("%s is not a KV version 2 mount", s.mount), "turn versions on: vault kv enable-versioning "+s.mount))
}

// fault adds what Vault's words alone do not tell.
func (s *sink) fault(err error) error {
	switch {
	case status(err) == http.StatusNotFound && strings.Contains(err.Error(), "no handler for route"):
		return world.Never(world.Hint(err, "there is no mount "+s.mount+s.within()+": vault secrets enable -path="+s.mount+" kv-v2"))
	case denied(err):
		return world.Never(err)
	}
	return err
}

func (s *sink) forbidden(err error, part string, capabilities ...string) error {
	return world.Never(world.Hint(err, s.policy(part, capabilities...)))
}

// policy is what is missing, in Vault's own language.
func (s *sink) policy(part string, capabilities ...string) string {
	return fmt.Sprintf(`the policy%s needs: path "%s/%s/%s" { capabilities = ["%s"] }`, s.within(), s.mount, part, s.path, strings.Join(capabilities, `", "`))
}

func (s *sink) within() string {
	if s.namespace == "" {
		return ""
	}
	return " in namespace " + s.namespace
}

func (s *sink) at(part string) string { return s.mount + "/" + part + "/" + s.path }
