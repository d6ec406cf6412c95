// Package vault is the sink that keeps a certificate as one secret of a Vault
// (or OpenBao) KV version 2 mount.
//
// The secret is certform's alone. Its keys are certificate (the leaf), chain
// (the rest), fullchain and private_key, all PEM. It is written with
// check-and-set, so that of two writers one wins, and the version that was
// written is then described in the secret's custom metadata: serial, names,
// not_after, the fingerprints, and which version they are of. So the right to
// read metadata is enough to look, and the private key is not read. A version
// that the metadata does not describe (somebody wrote it, or a run was killed
// in between) is seen as such, and its data is read where that is allowed.
package vault

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
)

// Spec is a decoded block.
type Spec struct {
	Address        string       `arg:"address,required" doc:"URL of Vault: https://vault.example.com:8200."`
	Namespace      string       `arg:"namespace" doc:"Namespace that the mounts are in."`
	CAFile         string       `arg:"ca_file" doc:"PEM file of the CA that Vault's certificate is from. Default: the system's."`
	Mount          string       `arg:"mount" default:"secret" doc:"The KV version 2 mount."`
	Path           string       `arg:"path,required" doc:"The secret, as seen inside the mount: tls/site, without data/."`
	Token          block.Secret `arg:"token" doc:"A token that may write the secret and its metadata."`
	RoleID         string       `arg:"role_id" doc:"AppRole: the role's id."`
	SecretID       block.Secret `arg:"secret_id" doc:"AppRole: its secret id."`
	JWT            block.Secret `arg:"jwt" doc:"JWT auth: the token of a CI job, say. Read again at each login."`
	Role           string       `arg:"role" doc:"JWT auth: the role to log in with."`
	KubernetesRole string       `arg:"kubernetes_role" doc:"Kubernetes auth: the role to log in with, by this pod's service account."`
	AuthMount      string       `arg:"auth_mount" doc:"Where the auth method is mounted. Default: approle, jwt or kubernetes."`

	base string
}

// Kind is the sink's line in the table of kinds.
func Kind() sinks.Kind {
	return sinks.Kind{
		Name: "vault",
		Doc:  "A secret of a Vault or OpenBao KV version 2 mount, with the keys certificate, chain, fullchain and private_key, written with check-and-set.",
		Example: `sink "vault" "kv" {
  address = "https://vault.example.com:8200"
  path    = "tls/${certificate.name}"
  token   = secret("env:VAULT_TOKEN")
}
`,
		New: func() sinks.Spec { return &Spec{Mount: "secret"} },
	}
}

// Rebase makes a relative ca_file relative to dir.
func (s *Spec) Rebase(dir string) { s.base = dir }

// Check says what is wrong beyond types.
func (s *Spec) Check() []block.Problem {
	var out []block.Problem
	wrong := func(arg, summary, detail string) {
		out = append(out, block.Problem{Argument: arg, Summary: summary, Detail: detail})
	}
	if u, err := url.Parse(s.Address); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		wrong("address", "Not a URL", fmt.Sprintf("%q is not a URL such as https://vault.example.com:8200.", s.Address))
	} else if u.User != nil {
		wrong("address", "Password in a URL", `A URL is shown in plans and errors. Give the credential as token = secret("env:NAME"), or one of the other ways to log in.`)
	}
	for _, p := range []struct{ arg, value string }{{"path", s.path()}, {"mount", s.mount()}} {
		switch {
		case p.value == "":
			wrong(p.arg, "Empty", p.arg+" must name something.")
		case strings.Contains("/"+p.value+"/", "/../") || strings.Contains("/"+p.value+"/", "/./") || strings.Contains(p.value, "//"):
			wrong(p.arg, "Not a path in Vault", fmt.Sprintf("%q has an empty part, . or .. in it.", p.value))
		}
	}
	ways := 0
	for _, w := range []struct {
		first, second string
		has, hasToo   bool
	}{
		{"token", "", !s.Token.Zero(), true},
		{"role_id", "secret_id", s.RoleID != "", !s.SecretID.Zero()},
		{"jwt", "role", !s.JWT.Zero(), s.Role != ""},
		{"kubernetes_role", "", s.KubernetesRole != "", true},
	} {
		switch {
		case w.has && w.hasToo:
			ways++
		case w.second != "" && w.has:
			ways++
			wrong(w.second, "Half a login", fmt.Sprintf("%s needs %s beside it.", w.first, w.second))
		case w.second != "" && w.hasToo:
			ways++
			wrong(w.first, "Half a login", fmt.Sprintf("%s needs %s beside it.", w.second, w.first))
		}
		if ways > 1 && w.has {
			wrong(w.first, "Two ways to log in", "Give one of token, role_id with secret_id, jwt with role, or kubernetes_role.")
		}
	}
	if ways == 0 {
		wrong("", "No way to log in", `Give one of token, role_id with secret_id, jwt with role, or kubernetes_role: token = secret("env:VAULT_TOKEN"), say.`)
	}
	if s.AuthMount != "" && !s.Token.Zero() {
		wrong("auth_mount", "Nothing to log in to", "A token is used as it is; auth_mount belongs to the other ways to log in.")
	}
	return out
}

// Target is the secret.
func (s *Spec) Target() string {
	address := strings.TrimRight(s.Address, "/")
	if u, err := url.Parse(address); err == nil {
		address = strings.ToLower(u.Scheme+"://"+u.Host) + u.Path
	}
	return "vault:" + address + ":" + strings.Trim(s.Namespace, "/") + ":" + s.mount() + "/" + s.path()
}

// Open logs in, or takes the client that somebody else logged in with.
func (s *Spec) Open(ctx context.Context, w *world.World) (sinks.Sink, error) {
	out := &sink{mount: s.mount(), path: s.path(), namespace: s.Namespace, ref: s.mount() + "/" + s.path(),
		use: func(ctx context.Context) (*session, func(), error) { return s.session(ctx, w) }}
	// The first of all certificates finds out what is wrong with the login.
	_, release, err := out.use(ctx)
	if err != nil {
		return nil, err
	}
	release()
	return out, nil
}

func (s *Spec) mount() string {
	if s.Mount == "" {
		return "secret"
	}
	return strings.Trim(s.Mount, "/")
}

func (s *Spec) path() string { return strings.Trim(s.Path, "/") }

func (s *Spec) caFile() string {
	if s.CAFile == "" || filepath.IsAbs(s.CAFile) {
		return s.CAFile
	}
	return filepath.Join(s.base, s.CAFile)
}
