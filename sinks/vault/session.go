package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/certform/certform/orchestrator/world"
)

// serviceAccount is where Kubernetes puts a pod's own token.
const serviceAccount = "file:/var/run/secrets/kubernetes.io/serviceaccount/token"

// inFlight is how many requests a session has under way at most.
const inFlight = 32

// session is one client that is logged in, shared by all places that log in
// the same way. It renews its login when it is used, so nothing runs beside.
type session struct {
	client *api.Client
	slots  chan struct{}
	enter  func(context.Context) (grant, error)
	static bool // the token was given: it can be renewed, not had anew

	mu     sync.Mutex
	token  string
	until  time.Time // zero: does not end, or nobody knows
	life   time.Duration
	mounts map[string]error // what is known of a KV mount; nil: it is good
}

// grant is a token and how long it lives.
type grant struct {
	token string
	life  time.Duration
}

func (s *Spec) session(ctx context.Context, w *world.World) (*session, func(), error) {
	key := strings.Join([]string{"vault", s.Address, s.Namespace, s.caFile(), s.Token.Ref(), s.RoleID, s.SecretID.Ref(),
		s.JWT.Ref(), s.Role, s.KubernetesRole, s.AuthMount}, "\x00")
	return world.Shared(ctx, w, key, func(ctx context.Context) (*session, error) { return s.connect(ctx, w) })
}

func (s *Spec) connect(ctx context.Context, w *world.World) (*session, error) {
	hc, err := w.Client(world.HTTP{CAFile: s.caFile()})
	if err != nil {
		return nil, world.Never(err)
	}
	// Vault's client follows redirects itself, with the token.
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client, err := api.NewClient(&api.Config{Address: s.Address, HttpClient: hc})
	if err != nil {
		return nil, fmt.Errorf("use Vault at %s: %w", s.Address, err)
	}
	// It listens to the environment, which is for Vault's own program.
	client.ClearToken()
	client.ClearNamespace()
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	if s.Namespace != "" {
		client.SetNamespace(s.Namespace)
	}
	out := &session{client: client, slots: make(chan struct{}, inFlight), static: !s.Token.Zero(), mounts: map[string]error{}}
	out.enter = func(ctx context.Context) (grant, error) { return s.login(ctx, w, out) }
	if err := out.again(ctx, ""); err != nil {
		return nil, err
	}
	return out, nil
}

// login gets a token in the way that the block says.
func (s *Spec) login(ctx context.Context, w *world.World, c *session) (grant, error) {
	secret := func(ref string) (string, error) {
		v, err := w.Resolve(ctx, ref)
		return strings.TrimSpace(v), err
	}
	mount, body := strings.Trim(s.AuthMount, "/"), map[string]any{}
	var err error
	switch {
	case c.static:
		token, err := secret(s.Token.Ref())
		if err != nil {
			return grant{}, err
		}
		return grant{token: token, life: c.left(ctx, token)}, nil
	case s.RoleID != "":
		mount = or(mount, "approle")
		body["role_id"] = s.RoleID
		body["secret_id"], err = secret(s.SecretID.Ref())
	case s.Role != "":
		mount = or(mount, "jwt")
		body["role"] = s.Role
		body["jwt"], err = secret(s.JWT.Ref())
	default:
		mount = or(mount, "kubernetes")
		body["role"] = s.KubernetesRole
		body["jwt"], err = secret(serviceAccount)
	}
	if err != nil {
		return grant{}, err
	}
	path := "auth/" + mount + "/login"
	answer, err := c.send(ctx, "", http.MethodPut, path, body)
	if err != nil {
		var refused *api.ResponseError
		if errors.As(err, &refused) && refused.StatusCode/100 == 4 && refused.StatusCode != http.StatusTooManyRequests {
			err = world.Never(err)
		}
		return grant{}, fmt.Errorf("log in to Vault by %s: %w", path, err)
	}
	if answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "" {
		return grant{}, fmt.Errorf("log in to Vault by %s: the answer holds no token", path)
	}
	return grant{answer.Auth.ClientToken, time.Duration(answer.Auth.LeaseDuration) * time.Second}, nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// left asks how long a token that was given lives; 0 if it does not say.
func (c *session) left(ctx context.Context, token string) time.Duration {
	answer, err := c.send(ctx, token, http.MethodGet, "auth/token/lookup-self", nil)
	if err != nil || answer == nil {
		return 0
	}
	if ok, err := answer.TokenIsRenewable(); err != nil || !ok {
		return 0
	}
	life, err := answer.TokenTTL()
	if err != nil {
		return 0
	}
	return life
}

// again logs in, unless somebody else has done so since old was the token.
func (c *session) again(ctx context.Context, old string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != old {
		return nil
	}
	g, err := c.enter(ctx)
	if err != nil {
		return err
	}
	c.token = g.token
	c.live(g.life)
	return nil
}

func (c *session) live(life time.Duration) {
	c.life, c.until = life, time.Time{}
	if life > 0 {
		c.until = time.Now().Add(life)
	}
}

// fresh gives a token that is not about to end.
func (c *session) fresh(ctx context.Context) (string, error) {
	c.mu.Lock()
	token, old := c.token, !c.until.IsZero() && time.Until(c.until) < c.life/3
	if old && c.static {
		// Renewed at most once a third of its life, whatever comes of it.
		c.live(c.life)
		if answer, err := c.send(ctx, token, http.MethodPut, "auth/token/renew-self", map[string]any{}); err == nil && answer != nil && answer.Auth != nil {
			c.live(time.Duration(answer.Auth.LeaseDuration) * time.Second)
		}
	}
	c.mu.Unlock()
	if old && !c.static {
		if err := c.again(ctx, token); err != nil {
			return "", err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.token, nil
	}
	return token, nil
}

// do sends a request, and once more with a new login if the token is no good.
func (c *session) do(ctx context.Context, method, path string, body map[string]any) (*api.Secret, error) {
	token, err := c.fresh(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := c.send(ctx, token, method, path, body)
	if !denied(err) {
		return answer, err
	}
	// A policy that says no and a token that is dead get the same answer.
	if _, lerr := c.send(ctx, token, http.MethodGet, "auth/token/lookup-self", nil); !denied(lerr) {
		return nil, err
	}
	if lerr := c.again(ctx, token); lerr != nil {
		return nil, lerr
	}
	c.mu.Lock()
	now := c.token
	c.mu.Unlock()
	if now == token {
		return nil, err
	}
	return c.send(ctx, now, method, path, body)
}

// send is one request. A 404 without an error of Vault's is nil, nil.
func (c *session) send(ctx context.Context, token, method, path string, body map[string]any) (*api.Secret, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	r := c.client.NewRequest(method, "/v1/"+path)
	r.ClientToken = token
	if body != nil {
		if err := r.SetJSONBody(body); err != nil {
			return nil, err
		}
	}
	//lint:ignore SA1019 the newer calls cannot carry a token of their own
	answer, err := c.client.RawRequestWithContext(ctx, r)
	if answer != nil {
		defer answer.Body.Close()
	}
	if err != nil {
		var refused *api.ResponseError
		if !errors.As(err, &refused) {
			return nil, fmt.Errorf("ask Vault: %w", err)
		}
		return c.refusal(answer, refused)
	}
	if answer.StatusCode == http.StatusNoContent {
		return nil, nil
	}
	found, err := api.ParseSecret(answer.Body)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, errors.New("ask Vault: the answer is not Vault's") // it may hold a key: do not quote
	}
	return found, nil
}

// refusal keeps Vault's words, and gives the body of a 404: that of a deleted
// version says which one it was.
func (c *session) refusal(answer *api.Response, refused *api.ResponseError) (*api.Secret, error) {
	if refused.StatusCode == http.StatusNotFound && len(refused.Errors) == 0 {
		found, err := api.ParseSecret(answer.Body)
		if err != nil || found == nil || found.Data == nil {
			return nil, nil
		}
		return found, nil
	}
	var err error = &said{refused}
	if wait, aerr := strconv.Atoi(answer.Header.Get("Retry-After")); aerr == nil && wait > 0 {
		err = world.At(err, time.Now().Add(time.Duration(wait)*time.Second))
	}
	return nil, err
}

// said is an answer of Vault on one line.
type said struct{ answer *api.ResponseError }

func (s *said) Unwrap() error { return s.answer }
func (s *said) Error() string {
	words := strings.Join(strings.Fields(strings.Join(s.answer.Errors, "; ")), " ")
	if len(words) > 500 {
		words = words[:500] + "…"
	}
	if words == "" {
		words = http.StatusText(s.answer.StatusCode)
	}
	return fmt.Sprintf("Vault answers %d: %s", s.answer.StatusCode, words)
}

func status(err error) int {
	var refused *api.ResponseError
	if errors.As(err, &refused) {
		return refused.StatusCode
	}
	return 0
}

func denied(err error) bool { return status(err) == http.StatusForbidden }
