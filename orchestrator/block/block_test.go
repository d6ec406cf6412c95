package block_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

type common struct {
	CAFile string `arg:"ca_file" doc:"Roots."`
}

type spec struct {
	common
	Path  string            `arg:"path,required" doc:"Where."`
	Mount string            `arg:"mount" default:"secret"`
	Token block.Secret      `arg:"token"`
	Wait  time.Duration     `arg:"wait" default:"30s"`
	Argv  []string          `arg:"argv"`
	Tags  map[string]string `arg:"tags"`
	Port  int               `arg:"port" default:"443"`
	Ratio float64           `arg:"ratio"`
	Small uint8             `arg:"small"`
	On    bool              `arg:"on" default:"true"`
}

func ectx() *hcl.EvalContext {
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{
			"plain":       cty.StringVal("hunter2"),
			"certificate": cty.UnknownVal(cty.Object(map[string]cty.Type{"name": cty.String})),
		},
		Functions: map[string]function.Function{
			"secret": function.New(&function.Spec{
				Params: []function.Parameter{{Name: "ref", Type: cty.String}},
				Type:   function.StaticReturnType(block.SecretType),
				Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
					return block.SecretValue(block.NewSecret(args[0].AsString())), nil
				},
			}),
			"upper":      stdlib.UpperFunc,
			"jsonencode": stdlib.JSONEncodeFunc,
		},
	}
}

func parse(t *testing.T, src string) (hcl.Body, *hcl.File) {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(src), "x.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return f.Body, f
}

func TestDecode(t *testing.T) {
	full := `
path  = "tls/x"
mount = null
token = secret("env:T")
wait  = "1m"
argv  = ["a", 1]
tags  = { a = "b", c = null }
port  = "8443"
ratio = 0.5
small = 255
on    = false
ca_file = "ca.pem"
`
	want := spec{common: common{"ca.pem"}, Path: "tls/x", Mount: "secret", Token: block.NewSecret("env:T"), Wait: time.Minute,
		Argv: []string{"a", "1"}, Tags: map[string]string{"a": "b"}, Port: 8443, Ratio: 0.5, Small: 255}
	for _, c := range []struct {
		name, src string
		want      spec
	}{
		{"all", full, want},
		{"defaults", `path = "p"`, spec{Path: "p", Mount: "secret", Wait: 30 * time.Second, Port: 443, On: true}},
		{"unknown leaves the field", "path = \"${certificate.name}\"\nargv = [certificate.name]\nwait = certificate.name", spec{Mount: "secret", Port: 443, On: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, _ := parse(t, c.src)
			var got spec
			if diags := block.Decode(body, ectx(), &got); diags.HasErrors() {
				t.Fatal(diags)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
	t.Run("JSON syntax", func(t *testing.T) {
		f, diags := hcljson.Parse([]byte(`{"path": "p", "token": "${secret(\"env:T\")}", "port": 1}`), "x.hcl.json")
		var got spec
		diags = append(diags, block.Decode(f.Body, ectx(), &got)...)
		if diags.HasErrors() || got.Token.Ref() != "env:T" || got.Port != 1 {
			t.Errorf("%+v %v", got, diags)
		}
	})
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`mount = "x"`, `x.hcl:1,1-1: Missing required argument; The argument "path" is required`},
		{`path = null`, `x.hcl:1,8-12: Missing required argument; The argument "path" is required, and its value is null.`},
		{"path = \"p\"\nmuont = 1", `x.hcl:2,1-6: Unsupported argument; An argument named "muont" is not expected here. Did you mean "mount"?`},
		{"path = [1]", `x.hcl:1,8-11: Wrong type of value; The argument "path" takes a text, and this is a list`},
		{`path = secret("env:T")`, `Secret in the wrong place; The argument "path" does not take a secret; here only these do: token.`},
		{"path = \"p\"\nargv = [secret(\"env:T\")]", `x.hcl:2,8-25: Secret in the wrong place`},
		{"path = \"p\"\ntags = { a = secret(\"env:T\") }", `x.hcl:2,8-31: Secret in the wrong place`},
		{`path = "x-${secret("env:T")}"`, `x.hcl:1,13-28: Invalid template interpolation value; Cannot include the given value in a string template: a secret must be the whole value of an argument`},
		{`path = upper(secret("env:T"))`, `x.hcl:1,14-21: Invalid function argument; Invalid value for "str" parameter: a secret must be the whole value`},
		{`path = jsonencode({ a = secret("env:T") })`, `a secret must be the whole value`},
		{"path = { (secret(\"env:T\")) = 1 }", `x.hcl:1,10-27: Incorrect key type; Can't use this value as a key: a secret must be`},
		{"path = \"p\"\ntoken = \"hunter2\"", `x.hcl:2,9-18: Plain text where a secret belongs; The argument "token" takes a secret`},
		{"path = \"p\"\ntoken = plain", `x.hcl:2,9-14: Plain text where a secret belongs`},
		{"path = \"p\"\ntoken = \"${certificate.name}\"", `Plain text where a secret belongs`},
		{"path = \"p\"\nwait = \"5\"", `x.hcl:2,8-11: Wrong value; The argument "wait": a duration is a number with a unit`},
		{"path = \"p\"\nwait = \"-5s\"", `a duration cannot be negative`},
		{"path = \"p\"\nport = 1.5", `The argument "port": a whole number is required.`},
		{"path = \"p\"\nsmall = 256", `The argument "small": the number is too large or too small.`},
		{"path = \"p\"\nsmall = -1", `the number cannot be negative`},
		{"path = \"p\"\nargv = [null]", `an element of the list is null`},
		{"path = \"p\"\ntags = { a = [1] }", `takes a map of texts, and this is a map: element "a": a text is required.`},
		{"path = \"p\"\nport = true", `The argument "port" takes a number, and this is true or false.`},
	} {
		t.Run(c.src, func(t *testing.T) {
			body, f := parse(t, c.src)
			var got spec
			diags := block.Decode(body, ectx(), &got)
			if len(diags) != 1 || !strings.Contains(diags[0].Error(), c.want) {
				t.Errorf("got  %v\nwant %s", diags, c.want)
			}
			var b strings.Builder
			hcl.NewDiagnosticTextWriter(&b, map[string]*hcl.File{"x.hcl": f}, 200, false).WriteDiagnostics(diags)
			if !strings.Contains(c.src, "hunter2") && strings.Contains(b.String(), "hunter2") {
				t.Errorf("the diagnostic shows the value of a variable:\n%s", b.String())
			}
		})
	}
}

// A map of secrets holds references and nothing else.
func TestSecretMap(t *testing.T) {
	type program struct {
		Env map[string]block.Secret `arg:"env" doc:"Secrets."`
	}
	for _, c := range []struct{ src, want, mistake string }{
		{src: `env = { B = secret("env:B"), A = secret("file:a") }`, want: "file:a env:B"},
		{src: `env = { A = secret("env:A"), B = null }`, want: "env:A"},
		{src: `env = {}`},
		{src: `env = null`},
		{src: ``},
		{src: `env = { A = secret("env:A"), B = "hunter2" }`, mistake: "Plain text where a secret belongs"},
		{src: `env = { A = plain }`, mistake: "Plain text where a secret belongs"},
		{src: `env = "hunter2"`, mistake: "Plain text where a secret belongs"},
		{src: `env = [secret("env:A")]`, mistake: "Plain text where a secret belongs"},
		{src: `env = secret("env:A")`, mistake: "Plain text where a secret belongs"},
	} {
		body, _ := parse(t, c.src)
		var p program
		diags := block.Decode(body, ectx(), &p)
		if c.mistake != "" {
			if len(diags) != 1 || diags[0].Summary != c.mistake || strings.Contains(diags.Error(), "hunter2") || diags[0].EvalContext != nil {
				t.Errorf("%s: %v", c.src, diags)
			}
			continue
		}
		var refs []string
		for _, s := range block.Secrets(&p) {
			refs = append(refs, s.Ref())
		}
		if got := strings.Join(refs, " "); diags.HasErrors() || got != c.want {
			t.Errorf("%s: holds %q, want %q: %v", c.src, got, c.want, diags)
		}
	}
	if a := block.Arguments(&program{})[0]; a.Type != "map of secret" || !a.Secret {
		t.Errorf("%+v", a)
	}
}

func TestSplit(t *testing.T) {
	body, _ := parse(t, "path = certificate.name\nport = 1")
	b, diags := block.ShapeOf(&spec{}).Read(body, hcl.Range{}, nil)
	fixed, varying := b.Split("certificate")
	if diags.HasErrors() || fmt.Sprint(fixed.Names(), varying.Names()) != "[port] [path]" {
		t.Errorf("fixed %v, varying %v, %v", fixed.Names(), varying.Names(), diags)
	}
	var s spec
	if unknown, diags := b.Decode(ectx(), &s); fmt.Sprint(unknown) != "[path]" || diags.HasErrors() {
		t.Errorf("unknown %v, %v", unknown, diags)
	}
	if r := b.Range("port"); r.Start.Line != 2 || r.Start.Column != 8 {
		t.Errorf("range of port: %v", r)
	}
}

type vendor struct {
	APIToken string        `json:"api_token,omitempty"`
	KeyName  string        `json:"key_name"`
	Key      string        `json:"key"`
	Quota    string        `json:"secret_quota"`
	Retries  int           `json:"max_retries"`
	Wait     time.Duration `json:"wait"`
	Client   any           `json:"client"`
	Hidden   string        `json:"-"`
}

type bridge struct {
	v       vendor
	secrets map[string]block.Secret
}

func (b *bridge) Foreign() (any, block.About) {
	return &b.v, block.About{
		Required: []string{"api_token"}, Plain: []string{"secret_quota"}, Omit: []string{"max_retries"},
		Default: map[string]string{"wait": "1m"}, Doc: map[string]string{"wait": "How long."},
		Put: func(a string, s block.Secret) { b.secrets[a] = s },
	}
}

func TestForeign(t *testing.T) {
	b := &bridge{secrets: map[string]block.Secret{}}
	want := []block.Argument{
		{Name: "api_token", Type: "secret", Secret: true, Required: true},
		{Name: "key_name", Type: "string"},
		{Name: "key", Type: "secret", Secret: true},
		{Name: "secret_quota", Type: "string"},
		{Name: "wait", Type: "duration", Default: "1m", Doc: "How long."},
	}
	if got := block.Arguments(b); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	body, _ := parse(t, "api_token = secret(\"env:T\")\nkey_name = \"k\"")
	if diags := block.Decode(body, ectx(), b); diags.HasErrors() {
		t.Fatal(diags)
	}
	if b.v != (vendor{KeyName: "k", Wait: time.Minute}) || b.secrets["api_token"].Ref() != "env:T" {
		t.Errorf("%+v %v", b.v, b.secrets)
	}
	v := b.v
	if err := block.Fill(&v, "api_token", "canary"); err != nil || v.APIToken != "canary" {
		t.Errorf("%+v %v", v, err)
	}
	if err := block.Fill(&v, "nope", "canary"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("filling what does not exist: %v", err)
	}
	body, _ = parse(t, `api_token = "hunter2"`)
	if diags := block.Decode(body, ectx(), b); !diags.HasErrors() || diags[0].Summary != "Plain text where a secret belongs" {
		t.Errorf("%v", diags)
	}
}

func TestArguments(t *testing.T) {
	got := block.Arguments(&spec{})
	if len(got) != 11 || got[0] != (block.Argument{Name: "ca_file", Type: "string", Doc: "Roots."}) ||
		got[1] != (block.Argument{Name: "path", Type: "string", Required: true, Doc: "Where."}) ||
		got[3] != (block.Argument{Name: "token", Type: "secret", Secret: true}) || got[5].Type != "list of string" {
		t.Errorf("%+v", got)
	}
}

func TestLooksSecret(t *testing.T) {
	for name, want := range map[string]bool{
		"api_token": true, "key": true, "secret_access_key": true, "password": true, "token": true, "api_key": true, "session_token": true,
		"key_name": false, "key_alg": false, "access_key_id": false, "server": false, "hosted_zone_id": false, "token_url": false, "region": false, "secret_file": false,
	} {
		if got := block.LooksSecret(name); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestSecretPrints(t *testing.T) {
	s := block.NewSecret("env:T")
	if got := fmt.Sprintf("%v %+v %#v", s, struct{ S block.Secret }{s}, s); strings.Count(got, `secret("env:T")`) != 3 {
		t.Error(got)
	}
	if _, err := json.Marshal(map[string]any{"a": s}); err == nil {
		t.Error("a secret was written as JSON")
	}
}
