package config_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/config"
	"github.com/hashicorp/hcl/v2"
)

// sound is a configuration without a mistake; most cases add one to it.
const sound = `
issuer "acme" "le" {
  directory = "letsencrypt"
}
`

// found lists diagnostics as "file:line summary".
func found(dir string, diags hcl.Diagnostics) []string {
	var out []string
	for _, d := range diags {
		s := d.Summary
		if d.Severity == hcl.DiagWarning {
			s = "warning: " + s
		}
		if d.Subject != nil {
			name, err := filepath.Rel(dir, d.Subject.Filename)
			if err != nil {
				name = d.Subject.Filename
			}
			s = fmt.Sprintf("%s:%d %s", name, d.Subject.Start.Line, s)
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

type mistake struct {
	name string
	hcl  string            // main.hcl, after sound.hcl
	more map[string]string // other files
	want []string          // "file:line summary", all of them
	says string            // somewhere in what is printed
	not  string            // nowhere in what is printed
	opts func(*config.Options)
}

func run(t *testing.T, cases []mistake) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"main.hcl": c.hcl, "sound.hcl": sound}
			for name, text := range c.more {
				files[name] = text
				if text == "" {
					delete(files, name)
				}
			}
			dir := write(t, files)
			o := options(dir)
			if c.opts != nil {
				c.opts(&o)
			}
			cfg, diags := config.Load(o)
			printed := show(cfg, diags)
			slices.Sort(c.want)
			if got := found(dir, diags); !slices.Equal(got, c.want) {
				t.Errorf("got\n  %s\nwant\n  %s\n%s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "), printed)
			}
			flat := strings.Join(strings.Fields(printed), " ")
			if !strings.Contains(flat, c.says) {
				t.Errorf("nothing says %q:\n%s", c.says, printed)
			}
			if c.not != "" && strings.Contains(printed, c.not) {
				t.Errorf("%q is printed:\n%s", c.not, printed)
			}
			for _, d := range diags {
				if d.Summary == "" || d.Detail == "" {
					t.Errorf("a diagnostic without a sentence: %+v", d)
				}
			}
		})
	}
}

const aSink = `sink "file" "web" {
  combined = "/etc/tls/${certificate.name}.pem"
}
`

func TestBlocks(t *testing.T) {
	run(t, []mistake{
		{name: "unknown block", hcl: "certifikate \"a\" {\n}\n", want: []string{"main.hcl:1 Unsupported block type"}, says: `Did you mean "certificate"?`},
		{name: "unknown kind of sink", hcl: "sink \"haproxi\" \"a\" {\n  x = 1\n}\ncertificate \"c\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.haproxi.a]\n}\n",
			want: []string{"main.hcl:1 Unknown kind of sink"}, says: "Did you mean haproxy?"},
		{name: "unknown kind of dns", hcl: "dns \"cloudflar\" \"a\" {}\n", want: []string{"main.hcl:1 Unknown kind of dns"}, says: "Did you mean cloudflare?"},
		{name: "unknown kind of issuer", hcl: "issuer \"acmee\" \"a\" {}\n", want: []string{"main.hcl:1 Unknown kind of issuer"}, says: "Did you mean acme?"},
		{name: "unknown kind of state and seal", hcl: "certform {\n  state \"s3\" {}\n  seal \"kms\" {}\n}\n", want: []string{"main.hcl:2 Unknown kind of state", "main.hcl:3 Unknown kind of seal"}},
		{name: "a kind that comes later", hcl: "sink \"ssh\" \"a\" {}\n", want: []string{"main.hcl:1 Unknown kind of sink"}, says: "There is: file,", not: "Did you mean"},
		{name: "issuer twice", hcl: "certificate \"a\" {\n  names = [\"a.example.com\"]\n  issuers = [issuer.acme.le, issuer.acme.le]\n  sinks = []\n}\n", want: []string{"main.hcl:3 warning: Issuer listed twice"}},
		{name: "unknown type", hcl: "variable \"a\" {\n  type = strin\n  default = 1\n}\n", want: []string{"main.hcl:2 Invalid type specification"}, says: "Did you mean string?"},
		{name: "what each has not, said once", hcl: "certificate \"a\" {\n  for_each = [\"a\", \"b\"]\n  names = [\"${each.key}.example.com\", each.name]\n  sinks = []\n}\n", want: []string{"main.hcl:3 Unknown reference"}, says: "there are each.key and each.value"},
		{name: "unknown argument", hcl: aSink + "sink \"vault\" \"v\" {\n  address = \"a\"\n  path = \"p\"\n  token = secret(\"env:T\")\n  mout = \"x\"\n}\n",
			want: []string{"main.hcl:8 Unsupported argument"}, says: `Did you mean "mount"?`},
		{name: "missing argument", hcl: "sink \"vault\" \"v\" {\n  address = \"a\"\n  token = secret(\"env:T\")\n}\n", want: []string{"main.hcl:1 Missing required argument"}, says: `The argument "path" is required`},
		{name: "missing names", hcl: "certificate \"a\" {\n  hosts = [\"a.example.com\"]\n}\n", want: []string{"main.hcl:1 Missing required argument"}},
		{name: "missing label", hcl: "sink \"file\" {\n}\n", want: []string{"main.hcl:1 Missing name for sink"}},
		{name: "bad label", hcl: "sink \"file\" \"a b\" {\n  combined = \"/x\"\n}\ncertificate \"../x\" {\n  names = [\"a_b.example.com\"]\n  sinks = []\n}\nsink \"file\" \"-\" {\n  cmobined = \"x\"\n}\n", want: []string{"main.hcl:1 Bad name", "main.hcl:4 Bad name", "main.hcl:5 Not a name for a certificate", "main.hcl:8 Bad name", "main.hcl:9 Unsupported argument"}},
		{name: "duplicate addresses", hcl: "sink \"file\" \"a\" {\n  combined = \"/x\"\n}\nsink \"file\" \"a\" {\n  combined = \"/y\"\n}\nlocals {\n  x = 1\n}\nlocals {\n  x = 2\n}\nvariable \"v\" {\n  default = 1\n}\nvariable \"v\" {}\nissuer \"acme\" \"le\" {\n}\n",
			want: []string{"main.hcl:4 Duplicate sink", "main.hcl:11 Duplicate local", "main.hcl:16 Duplicate variable", "sound.hcl:2 Duplicate issuer", "main.hcl:17 Missing required argument"}},
		{name: "two names alike", hcl: aSink + "certificate \"a\" {\n  for_each = [\"b\"]\n  names = [\"x.example.com\"]\n  sinks = [sink.file.web]\n}\ncertificate \"a-b\" {\n  names = [\"y.example.com\"]\n}\n",
			want: []string{"main.hcl:4 Two certificates with one name", "main.hcl:9 warning: Certificate without a sink"}},
		{name: "settings twice", hcl: "certform {\n  state \"local\" {}\n}\ncertform {\n  state \"local\" {}\n}\n", want: []string{"main.hcl:5 Duplicate state"}},
		{name: "unknown argument of a certificate", hcl: "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n  sniks = []\n}\n", want: []string{"main.hcl:4 Unsupported argument"}},
		{name: "check of a spec", hcl: "sink \"file\" \"unused\" {\n  directory = \"/x\"\n  combined  = \"/y\"\n}\n" + "sink \"file\" \"none\" {\n  for_each = [\"a\", \"b\"]\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.none]\n}\n",
			want: []string{"main.hcl:3 Two ways to write", "main.hcl:5 No path"}, says: `For certificate.a in sink.file.none["a"], and 1 more.`},
		{name: "check beside other mistakes", hcl: "sink \"file\" \"a\" {\n  directory = \"/x\"\n  combined = \"/y\"\n  wave = \"x\"\n  reload = 1\n}\nsink \"file\" \"b\" {\n  combined = [1]\n}\nsink \"file\" \"c\" {\n  directory = certificate.name\n  combined = \"/y/${certificate.name}\"\n}\nissuer \"acme\" \"x\" {\n  directory = \"letsencryp\"\n  email = \"a@b@c\"\n  eab_kid = \"x\"\n  eab_hmac_key = \"x\"\n  bogus = 1\n}\n",
			want: []string{"main.hcl:3 Two ways to write", "main.hcl:4 Wrong type of value", "main.hcl:5 Wrong type of value", "main.hcl:8 Wrong type of value", "main.hcl:15 Bad ACME directory", "main.hcl:16 Bad e-mail address", "main.hcl:18 Plain text where a secret belongs", "main.hcl:19 Unsupported argument"}},
		{name: "syntax error hides no other file", hcl: "sink \"file\" \"a\" {\n  combined = \n}\n", more: map[string]string{"other.hcl": "certificate \"a\" {\n  names = [\"*.*.example.com\"]\n  sinks = [sink.file.a, local.x]\n}\n"},
			want: []string{"main.hcl:2 Invalid expression", "other.hcl:2 Not a name for a certificate"}},
	})
}

func TestTypes(t *testing.T) {
	run(t, []mistake{
		{name: "wrong types", hcl: "sink \"file\" \"a\" {\n  combined = [1]\n  reload   = \"systemctl reload\"\n  wave     = \"first\"\n  adopt    = \"perhaps\"\n}\ncertificate \"a\" {\n  names = \"a.example.com\"\n  labels = [1]\n  reuse_key = \"maybe\"\n  sinks = [sink.file.a]\n}\n",
			want: []string{"main.hcl:2 Wrong type of value", "main.hcl:3 Wrong type of value", "main.hcl:4 Wrong type of value", "main.hcl:5 Bad value of adopt", "main.hcl:8 Wrong type of value", "main.hcl:9 Wrong type of value", "main.hcl:10 Wrong type of value"}},
		{name: "wave and adopt", hcl: "sink \"file\" \"a\" {\n  combined = \"/a\"\n  wave = -1\n  adopt = \"perhaps\"\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.a]\n}\n", want: []string{"main.hcl:3 Bad wave", "main.hcl:4 Bad value of adopt"}},
		{name: "a sink that nobody lists", hcl: "sink \"file\" \"a\" {\n  for_each = [\"x\", \"y\"]\n  combined = \"/${each.key}/${certificate.name}\"\n  wave = -1\n  adopt = \"perhaps\"\n  endpoint {\n    address = \"https://x\"\n    port = 0\n  }\n}\n" + aCertificate, want: []string{"main.hcl:4 Bad wave", "main.hcl:5 Bad value of adopt", "main.hcl:7 Bad address of an endpoint", "main.hcl:8 Bad port"}, says: `For sink.file.a["x"], and 1 more.`},
		{name: "wave and adopt per certificate", hcl: "sink \"file\" \"a\" {\n  combined = \"/a\"\n  wave = lookup(certificate.labels, \"wave\", -1)\n  adopt = certificate.name\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.a]\n}\n", want: []string{"main.hcl:3 Bad wave", "main.hcl:4 Bad value of adopt"}},
		{name: "null is left out", hcl: "variable \"none\" {\n  default = null\n}\nsink \"file\" \"a\" {\n  combined = \"/a\"\n  endpoint {\n    address = var.none\n    server_names = null\n  }\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  hosts = var.none\n  issuers = null\n  sinks = true ? [sink.file.a] : var.none\n}\ncertificate \"b\" {\n  names = [\"b.example.com\"]\n  sinks = var.none\n}\ndns \"rfc2136\" \"a\" {\n  zones = var.none\n}\nzone \"x\" {\n  name = null\n  dns = var.none\n}\n",
			want: []string{"main.hcl:17 warning: Certificate without a sink"}},
		{name: "sinks without a list", hcl: aSink + "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = sink.file.web\n}\n", want: []string{"main.hcl:6 Wrong type of value"}, says: "sinks = [sink.file.web]"},
		{name: "sinks as text", hcl: aSink + "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [\"sink.file.web\"]\n}\n", want: []string{"main.hcl:6 Wrong reference"}, says: "without quotes: sink.file.web"},
		{name: "sinks as text in JSON", hcl: aSink, more: map[string]string{"c.hcl.json": `{"certificate": {"a": {"names": ["a.example.com"], "sinks": ["sink.file.web"]}}}`}, want: []string{"c.hcl.json:1 Wrong reference"}, says: `"${sink.file.web}"`},
		{name: "reference of another family", hcl: "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [issuer.acme.le]\n}\n", want: []string{"main.hcl:3 Wrong reference"}, says: "sinks takes references to sink blocks, and this is issuer.acme.le"},
		{name: "reference to a kind", hcl: aSink + "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file]\n}\n", want: []string{"main.hcl:6 Wrong reference"}},
		{name: "reference in text", hcl: aSink + "locals {\n  x = \"see ${sink.file.web}\"\n}\n", want: []string{"main.hcl:5 Invalid template interpolation value"}, says: "a reference to a block is not text"},
		{name: "endpoint", hcl: "sink \"file\" \"a\" {\n  combined = \"/a\"\n  endpoint {\n    port = 0\n  }\n  endpoint {\n    starttls = \"stmp\"\n  }\n  endpoint {\n    address = \"https://x\"\n  }\n  endpoint {\n    server_names = [\"www.example.org\"]\n  }\n  endpoint {\n    within = \"soon\"\n  }\n  endpoint {\n    address = \"10.0.0.1:8443\"\n  }\n  endpoint {\n    prot = 1\n  }\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.a]\n}\n",
			want: []string{"main.hcl:4 Bad port", "main.hcl:7 Unknown starttls", "main.hcl:10 Bad address of an endpoint", "main.hcl:13 Server name that no name covers", "main.hcl:16 Wrong value", "main.hcl:19 Bad address of an endpoint", "main.hcl:22 Unsupported argument"},
			says: "Did you mean smtp?"},
		{name: "blind sink", hcl: "sink \"pull\" \"a\" {\n}\n", want: []string{"main.hcl:1 Sink without a proof"}},
		{name: "one mistake in an endpoint hides no other", hcl: "sink \"file\" \"a\" {\n  combined = \"/a\"\n  endpoint {\n    within = \"soon\"\n    port = 70000\n    starttls = \"ftp\"\n    address = \"https://x\"\n    server_names = [\"www.example.org\"]\n    prot = 1\n  }\n  endpoint {\n    address = 3 + \"x\"\n    port = 0\n  }\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.a]\n}\n",
			want: []string{"main.hcl:4 Wrong value", "main.hcl:5 Bad port", "main.hcl:6 Unknown starttls", "main.hcl:7 Bad address of an endpoint", "main.hcl:8 Server name that no name covers", "main.hcl:9 Unsupported argument", "main.hcl:12 Invalid operand", "main.hcl:13 Bad port"}},
		{name: "one that varies too", hcl: "sink \"file\" \"a\" {\n  combined = \"/a\"\n  endpoint {\n    within = \"soon\"\n    port = 0\n    address = \"https://${certificate.name}\"\n  }\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.a]\n}\n",
			want: []string{"main.hcl:4 Wrong value", "main.hcl:5 Bad port", "main.hcl:6 Bad address of an endpoint"}},
		{name: "numbers that are no address", hcl: "sink \"file\" \"a\" {\n  combined = \"/a\"\n  endpoint {\n    address = \"10.0.0.256\"\n  }\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.a]\n}\nzone \"a.example.com\" {\n  nameservers = [\"999.1.1.1\", \"ns1.example.com\", \"192.0.2.1:5353\"]\n  resolvers = [\"192.0.2.300:53\"]\n}\n",
			want: []string{"main.hcl:4 Bad address of an endpoint", "main.hcl:12 Bad server", "main.hcl:13 Bad server"}},
		{name: "endpoint of hosts that no name covers", hcl: "sink \"pull\" \"a\" {\n  endpoint {}\n}\ncertificate \"w\" {\n  names = [\"a.example.com\"]\n  hosts = [\"b.example.com\"]\n  sinks = [sink.pull.a]\n}\n", want: []string{"main.hcl:6 Host that no name covers"}},
		{name: "endpoint of wildcards only", hcl: "sink \"pull\" \"a\" {\n  endpoint {}\n}\ncertificate \"w\" {\n  names = [\"*.example.com\"]\n  sinks = [sink.pull.a]\n}\n", want: []string{"main.hcl:2 Endpoint without a name to ask for"}},
	})
}

func TestNames(t *testing.T) {
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("%q", fmt.Sprintf("h%d.example.com", i))
	}
	run(t, []mistake{
		{name: "no DNS names", hcl: "certificate \"a\" {\n  names = [\n    \"exa mple.com\",\n    \"a.*.example.com\",\n    \"192.0.2.1\",\n    \"ops@example.com\",\n    \"-x.example.com\",\n    \"com\",\n    \"\",\n    \"a..example.com\",\n    \"https://example.com\",\n  ]\n  sinks = []\n}\n",
			want: []string{"main.hcl:3 Not a name for a certificate", "main.hcl:4 Not a name for a certificate", "main.hcl:5 Not a name for a certificate", "main.hcl:6 Not a name for a certificate", "main.hcl:7 Not a name for a certificate", "main.hcl:8 Not a name for a certificate", "main.hcl:9 Not a name for a certificate", "main.hcl:10 Not a name for a certificate", "main.hcl:11 Not a name for a certificate"},
			says: "a wildcard can only be the whole first label"},
		{name: "no names", hcl: "certificate \"a\" {\n  names = []\n  sinks = []\n}\n", want: []string{"main.hcl:2 No names"}},
		{name: "IDN", hcl: "certificate \"a\" {\n  names = [\"bücher.example\"]\n  sinks = []\n}\n", want: []string{"main.hcl:2 warning: Name converted"}, says: "bücher.example is written xn--bcher-kva.example"},
		{name: "twice", hcl: "certificate \"a\" {\n  names = [\"a.example.com\", \"A.example.com.\"]\n  sinks = []\n}\n", want: []string{"main.hcl:2 warning: Name given twice"}},
		{name: "an unknown argument beside a host not covered", hcl: "certificate \"a\" {\n  names = [\"example.com\"]\n  hosts = [\"a.example.com\"]\n  sinks = []\n  count = 2\n}\n", want: []string{"main.hcl:3 Host that no name covers", "main.hcl:5 Unsupported argument"}},
		{name: "host not covered", hcl: "certificate \"a\" {\n  names = [\"example.com\", \"*.example.com\"]\n  hosts = [\"www.example.com\", \"a.b.example.com\", \"*.example.com\"]\n  sinks = []\n}\n", want: []string{"main.hcl:3 Host that no name covers", "main.hcl:3 Not a host"}},
		{name: "too many", hcl: "certificate \"a\" {\n  names = [" + strings.Join(many, ", ") + "]\n  sinks = []\n}\n", want: []string{"main.hcl:2 Too many names"}, says: "101 names, and letsencrypt allows 100 in its profile classic"},
		{name: "too many for a profile", hcl: "certificate \"a\" {\n  names = [" + strings.Join(many[:26], ", ") + "]\n  profile = \"shortlived\"\n  sinks = []\n}\n", want: []string{"main.hcl:2 Too many names"}, says: "allows 25 in its profile shortlived"},
		{name: "redundant", hcl: "certificate \"a\" {\n  names = [\"*.example.com\", \"www.example.com\"]\n  sinks = []\n}\n", want: []string{"main.hcl:2 Name that a wildcard covers"}},
		{name: "key type", hcl: "certificate \"a\" {\n  names = [\"a.example.com\"]\n  key_type = \"rsa-2048\"\n  sinks = []\n}\n", want: []string{"main.hcl:3 Unknown key type"}, says: "Did you mean rsa2048?"},
		{name: "no issuer", hcl: "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n}\ncertificate \"b\" {\n  names = [\"b.example.com\"]\n  sinks = []\n}\n", more: map[string]string{"sound.hcl": ""}, want: []string{"main.hcl:1 No issuer"}},
		{name: "which issuer", hcl: "issuer \"acme\" \"x\" {\n  directory = \"letsencrypt-staging\"\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n}\n", want: []string{"main.hcl:4 Which issuer?"}, says: "issuers = [issuer.acme.le]"},
		{name: "issuers", hcl: "issuer \"acme\" \"a\" {\n  directory = \"letsencript\"\n}\nissuer \"acme\" \"b\" {\n  directory = \"http://ca.example.com/dir\"\n}\nissuer \"acme\" \"c\" {\n  directory = \"google\"\n}\nissuer \"acme\" \"d\" {\n  directory = \"https://ca.example.com/dir\"\n  email = \"mailto:ops@example.com\"\n  eab_kid = \"x\"\n}\nissuer \"acme\" \"e\" {\n  directory = \"http://127.0.0.1:14000/dir\"\n}\n",
			want: []string{"main.hcl:2 Bad ACME directory", "main.hcl:5 Bad ACME directory", "main.hcl:8 External account binding is missing", "main.hcl:12 Bad e-mail address", "main.hcl:13 Half an external account binding"}, says: "Did you mean letsencrypt?"},
	})
}

func TestReferences(t *testing.T) {
	run(t, []mistake{
		{name: "unknown references", hcl: aSink + "locals {\n  hosts = 1\n  a = local.host\n  b = var.nope\n  c = foo.bar\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.wep, sink.fil.web]\n  issuers = [issuer.acme.lee]\n}\n",
			want: []string{"main.hcl:6 Unknown reference", "main.hcl:7 Unknown reference", "main.hcl:8 Unknown reference", "main.hcl:12 Unknown reference", "main.hcl:12 Unknown reference", "main.hcl:13 Unknown reference"},
			says: "There is no sink.file.wep. Did you mean sink.file.web?"},
		{name: "beside a broken file", hcl: aSink + "locals {\n  a = local.cc\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.wep, sink.vault.other]\n}\n", more: map[string]string{"x.hcl": "oops\n"},
			want: []string{"main.hcl:9 Unknown reference", "x.hcl:1 Argument or block definition required"}, says: "Did you mean sink.file.web? (Unless it is in a file that could not be read.)"},
		{name: "argument set twice", hcl: "certificate \"a\" {\n  names = [\"a_b.example.com\"]\n  names = [\"b.example.com\"]\n  sinks = [local.x]\n}\n", want: []string{"main.hcl:2 Not a name for a certificate", "main.hcl:3 Attribute redefined", "main.hcl:4 Unknown reference"}},
		{name: "unknown instance", hcl: "sink \"file\" \"a\" {\n  for_each = [\"lb1\", \"lb2\"]\n  combined = \"/x/${each.key}\"\n}\ncertificate \"c\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.a[\"lb3\"]]\n}\n",
			want: []string{"main.hcl:7 Invalid index"}, says: "Did you mean lb1?"},
		{name: "list of references", hcl: "sink \"file\" \"one\" {\n  combined = \"/x/${certificate.name}\"\n}\nsink \"file\" \"many\" {\n  for_each = [\"a\"]\n  combined = \"/y/${certificate.name}\"\n}\ncertificate \"a\" {\n  names = [\n    upper([]),\n    \"a_b.example.com\",\n  ]\n  sinks = [\n    sink.file.one[\"x\"],\n    sink.file.one.combined,\n    sink.file.many[0],\n    file.one,\n    sink.one,\n    sink,\n    \"sink.file.one\",\n    sink.file.one,\n    sink.one,\n    [sink.file.many[*]],\n  ]\n}\n",
			want: []string{"main.hcl:10 Invalid function argument", "main.hcl:11 Not a name for a certificate", "main.hcl:14 Invalid index", "main.hcl:15 Unsupported attribute", "main.hcl:16 Invalid index", "main.hcl:17 Unknown reference", "main.hcl:18 Unknown reference", "main.hcl:19 Wrong reference", "main.hcl:20 Wrong reference", "main.hcl:22 Unknown reference"},
			says: "A reference begins with the type of the block: sink.file.one."},
		{name: "unknown attribute", hcl: "sink \"file\" \"a\" {\n  for_each = { x = { ip = 1, name = 2 } }\n  combined = \"/x/${each.value.nam}\"\n}\n", want: []string{"main.hcl:3 Unsupported attribute"}, says: "Did you mean name?"},
		{name: "certificate as in Terraform", hcl: "sink \"file\" \"a\" {\n  combined = \"/x/${certificate.site.name}\"\n}\ncertificate \"site\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.a]\n}\n",
			want: []string{"main.hcl:2 Unsupported attribute"}, says: "It has name, names, hosts, domain and labels, and no \"site\"."},
		{name: "missing label", hcl: "sink \"file\" \"a\" {\n  combined = \"/x/${certificate.labels.team}\"\n}\ncertificate \"site\" {\n  for_each = [\"a\", \"b\", \"c\"]\n  names = [\"${each.key}.example.com\"]\n  labels = each.key == \"a\" ? { team = \"x\" } : {}\n  sinks = [sink.file.a]\n}\n",
			want: []string{"main.hcl:2 Missing map element"}, says: `For certificate.site["b"] in sink.file.a, and 1 more.`},
		{name: "each without for_each", hcl: "certificate \"a\" {\n  names = [each.key]\n  sinks = []\n}\n", want: []string{"main.hcl:2 each without for_each"}},
		{name: "each in for_each", hcl: "certificate \"a\" {\n  for_each = [each.key]\n  names = [each.key]\n  sinks = []\n}\n", want: []string{"main.hcl:2 each inside for_each"}},
		{name: "certificate in for_each", hcl: "sink \"file\" \"a\" {\n  for_each = certificate.hosts\n  combined = \"/x/${each.key}\"\n}\n", want: []string{"main.hcl:2 certificate outside of a sink"}},
		{name: "certificate in a certificate", hcl: "certificate \"a\" {\n  names = [certificate.b.name]\n  sinks = []\n}\n", want: []string{"main.hcl:2 certificate outside of a sink"}},
		{name: "unknown function", hcl: "locals {\n  a = uper(\"x\")\n}\n", want: []string{"main.hcl:2 Call to unknown function"}, says: `Did you mean "upper"?`},
		{name: "cycle", hcl: "locals {\n  a = local.b\n  b = local.c\n  c = local.a\n}\n", want: []string{"main.hcl:2 Values that need each other"}, says: "local.a ("},
		{name: "cycle of one", hcl: "locals {\n  a = [local.a]\n}\n", want: []string{"main.hcl:2 Values that need each other"}},
		{name: "cycle through for_each", hcl: "locals {\n  a = keys(sink.file.x)\n}\nsink \"file\" \"x\" {\n  for_each = local.a\n  combined = \"/${each.key}\"\n}\n", want: []string{"main.hcl:2 Values that need each other"}, says: "sink.file.x"},
		{name: "unreferred mistake", hcl: "locals {\n  a = upper([])\n}\n", want: []string{"main.hcl:2 Invalid function argument"}},
	})
}

func TestForEach(t *testing.T) {
	cert := func(e string) string {
		return "certificate \"a\" {\n  for_each = " + e + "\n  names = [\"${each.key}.example.com\"]\n  sinks = []\n}\n"
	}
	run(t, []mistake{
		{name: "equal keys of an object", hcl: cert(`{ a = 1, b = 2, "a" = 3 }`), want: []string{"main.hcl:2 Equal keys"}, says: `The key "a" is there twice`},
		{name: "equal keys that come out", hcl: "locals {\n  x = \"a\"\n}\n" + cert(`{ a = 1, (local.x) = 2, "${local.x}b" = 3 }`), want: []string{"main.hcl:5 Equal keys"}},
		{name: "equal keys on the way", hcl: "locals {\n  x = { 1 = 1, \"1\" = 2 }\n}\n" + cert(`local.x`), want: []string{"main.hcl:2 Equal keys"}},
		{name: "equal keys", hcl: cert(`["a", "b", "a"]`), want: []string{"main.hcl:2 Equal keys in for_each"}},
		{name: "null", hcl: cert(`null`), want: []string{"main.hcl:2 Wrong for_each"}},
		{name: "text", hcl: cert(`"a"`), want: []string{"main.hcl:2 Wrong for_each"}},
		{name: "objects", hcl: cert(`[{ name = "a" }]`), want: []string{"main.hcl:2 Wrong for_each"}, says: "{ for o in list : o.name => o }"},
		{name: "unknown", hcl: cert(`local.nope`), want: []string{"main.hcl:2 Unknown reference"}},
		{name: "of a broken local", hcl: "locals {\n  a = upper([])\n}\n" + cert(`local.a`), want: []string{"main.hcl:2 Invalid function argument"}},
		{name: "of a variable without value", hcl: "variable \"v\" {}\n" + cert(`var.v`), want: []string{"main.hcl:1 Variable without a value"}},
		{name: "bad keys", hcl: cert(`["a/b", "", "x"]`), want: []string{"main.hcl:2 Bad key in for_each", "main.hcl:2 Bad key in for_each"}},
		{name: "of an issuer", hcl: "issuer \"acme\" \"x\" {\n  for_each = [\"a\"]\n  directory = \"letsencrypt\"\n}\n", want: []string{"main.hcl:2 Unsupported argument"}},
		{name: "of nothing hides no mistake", hcl: "locals {\n  none = {}\n}\nsink \"vault\" \"v\" {\n  for_each = local.none\n  address = each.value.x\n  path = [1]\n  token = \"x\"\n  wave = \"y\"\n}\ncertificate \"c\" {\n  for_each = []\n  names = [each.key, \"a_b.example.com\"]\n  key_type = \"rsa\"\n  sinks = [sink.vault.v, 1]\n}\ndns \"rfc2136\" \"r\" {\n  for_each = []\n  server = [1]\n  zones = [\"*\"]\n}\nzone \"z\" {\n  for_each = local.oops\n  name = each.key\n  max_wait = \"x\"\n}\n",
			want: []string{"main.hcl:7 Wrong type of value", "main.hcl:8 Plain text where a secret belongs", "main.hcl:9 Wrong type of value", "main.hcl:13 Not a name for a certificate", "main.hcl:14 Unknown key type",
				"main.hcl:15 Wrong reference", "main.hcl:19 Wrong type of value", "main.hcl:20 Bad zone", "main.hcl:23 Unknown reference", "main.hcl:25 Wrong value"}},
		{name: "folded", hcl: "certificate \"a\" {\n  for_each = range(1000)\n  names = [\"-${each.key}.example.com\"]\n  sinks = []\n}\n", want: []string{"main.hcl:3 Not a name for a certificate"}, says: `For certificate.a["0"], and 999 more: - certificate.a["1"]: "-1.example.com": not a DNS name`},
	})
}

func TestSecrets(t *testing.T) {
	v := func(lines string) string {
		return "sink \"vault\" \"v\" {\n  address = \"a\"\n  path = \"p\"\n" + lines + "}\n"
	}
	run(t, []mistake{
		{name: "plain text", hcl: v("  token = \"hunter2-é\"\n"), want: []string{"main.hcl:4 Plain text where a secret belongs"}, says: `token = secret("env:NAME")`, not: "hunter2"},
		{name: "plain text in a variable", hcl: "variable \"t\" {\n  default = \"hunter2\"\n}\n" + v("  token = var.t\n"), want: []string{"main.hcl:7 Plain text where a secret belongs"}, not: "hunter2"},
		{name: "plain text in secret()", hcl: v("  token = secret(\"hunter2\")\n"), want: []string{"main.hcl:4 Invalid function argument"}, not: "hunter2", says: "one is written env:NAME"},
		{name: "plain text in secret() from a variable", hcl: "variable \"t\" {\n  default = \"hunter2\"\n}\n" + v("  token = secret(var.t)\n"), want: []string{"main.hcl:7 Invalid function argument"}, not: "hunter2"},
		{name: "unknown scheme", hcl: v("  token = secret(\"evn:T\")\n"), want: []string{"main.hcl:4 Invalid function argument"}, says: "vault:MOUNT/PATH#FIELD"},
		{name: "in an argument that takes none", hcl: v("  token = secret(\"env:T\")\n  mount = secret(\"env:M\")\n"), want: []string{"main.hcl:5 Secret in the wrong place"}, says: "only these do: token"},
		{name: "in text", hcl: v("  token = \"Bearer ${secret(\"env:T\")}\"\n"), want: []string{"main.hcl:4 Invalid template interpolation value"}, says: "a secret must be the whole value"},
		{name: "in a function", hcl: v("  token = upper(secret(\"env:T\"))\n"), want: []string{"main.hcl:4 Invalid function argument"}},
		{name: "in names", hcl: "certificate \"a\" {\n  names = [secret(\"env:T\")]\n  sinks = []\n}\n", want: []string{"main.hcl:2 Wrong type of value"}},
		{name: "in labels", hcl: "certificate \"a\" {\n  names = [\"a.example.com\"]\n  labels = { x = secret(\"env:T\") }\n  sinks = []\n}\n", want: []string{"main.hcl:3 Secret in the wrong place"}},
		{name: "in for_each", hcl: "certificate \"a\" {\n  for_each = [secret(\"env:T\")]\n  names = [each.key]\n  sinks = []\n}\n", want: []string{"main.hcl:2 Wrong for_each"}},
		{name: "as a key", hcl: "locals {\n  a = { (secret(\"env:T\")) = 1 }\n}\n", want: []string{"main.hcl:2 Incorrect key type"}},
		{name: "in a dns block", hcl: "dns \"cloudflare\" \"c\" {\n  api_token = \"hunter2\"\n  server = secret(\"env:S\")\n}\n", want: []string{"main.hcl:2 Plain text where a secret belongs", "main.hcl:3 Secret in the wrong place"}, not: "hunter2"},
		{name: "compared", hcl: "locals {\n  s = secret(\"env:T\")\n  a = secret(\"env:T\") == \"x\"\n}\ncertificate \"a\" {\n  names = [local.s != (\"x\") ? \"a.example.com\" : \"b.example.com\"]\n  sinks = []\n}\n", want: []string{"main.hcl:3 Comparison with a secret", "main.hcl:6 Comparison with a secret"}},
		{name: "compared in lists", hcl: "locals {\n  s = [secret(\"env:T\")]\n  a = local.s == [\"hunter2\"]\n  b = [\"${secret(\"env:T\")}\"] == \"hunter2\"\n}\n" + aCertificate, want: []string{"main.hcl:3 Comparison with a secret", "main.hcl:4 Comparison with a secret"}, not: "hunter2"},
		{name: "jsonencode", hcl: "locals {\n  a = jsonencode({ x = secret(\"env:T\") })\n}\n", want: []string{"main.hcl:2 Error in function call"}},
	})
}

func TestClashes(t *testing.T) {
	two := func(sink, extra string) string {
		return sink + "certificate \"a\" {\n  names = [\"a.example.com\", \"*.example.com\"]\n  sinks = [sink.file.web]\n}\ncertificate \"b\" {\n  names = [\"a.example.com\", \"*.example.com\"]\n  sinks = [sink.file.web]\n" + extra + "}\n"
	}
	issuer := map[string]string{"sound.hcl": "issuer \"acme\" \"le\" {\n  directory = \"https://ca.example.com/dir\"\n}\n"}
	run(t, []mistake{
		{name: "one target", hcl: two("sink \"file\" \"web\" {\n  combined = \"/etc/tls/x.pem\"\n}\n", ""), more: issuer, want: []string{"main.hcl:2 Two certificates write one target"}, says: "/etc/tls/x.pem would be written by certificate.a (through sink.file.web) and by certificate.b"},
		{name: "one target, said in two ways", hcl: "sink \"file\" \"web\" {\n  combined = \"tls/x.pem\"\n}\nsink \"file\" \"too\" {\n  combined = \"./tls/../tls/x.pem\"\n}\ncertificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.web, sink.file.too]\n}\n", want: []string{"main.hcl:5 Two places write one target"}},
		{name: "one endpoint", hcl: two("sink \"file\" \"web\" {\n  combined = \"/etc/tls/${certificate.name}.pem\"\n  endpoint {\n    address = \"lb.example.com\"\n  }\n}\n", ""), more: issuer, want: []string{"main.hcl:3 Two certificates at one endpoint"}, says: "both with ecdsa keys, would have to be served at lb.example.com:443/a.example.com"},
		{name: "RSA beside ECDSA", hcl: two("sink \"file\" \"web\" {\n  combined = \"/etc/tls/${certificate.name}.pem\"\n  endpoint {}\n}\n", "  key_type = \"rsa2048\"\n"), more: issuer},
		{name: "other hosts", hcl: two("sink \"file\" \"web\" {\n  combined = \"/etc/tls/${certificate.name}.pem\"\n  endpoint {}\n}\n", "  hosts = [\"b.example.com\"]\n"), more: issuer},
		{name: "a zone at two providers", hcl: "dns \"cloudflare\" \"a\" {\n  api_token = secret(\"env:A\")\n  zones = [\"example.com\"]\n}\ndns \"rfc2136\" \"b\" {\n  zones = [\"Example.com.\", \"example.org\"]\n}\n", want: []string{"main.hcl:6 One zone at two providers"}, says: "dns = [dns.cloudflare.a, dns.rfc2136.b]"},
		{name: "a zone at two providers, decided", hcl: "dns \"cloudflare\" \"a\" {\n  zones = [\"example.com\"]\n}\ndns \"rfc2136\" \"b\" {\n  zones = [\"example.com\"]\n}\nzone \"example.com\" {\n  dns = [dns.cloudflare.a]\n}\n", want: []string{"warning: No certificate"}},
		{name: "two blocks for a zone", hcl: "zone \"example.com\" {}\nzone \"x\" {\n  name = \"example.com.\"\n}\n", want: []string{"main.hcl:3 Two blocks for one zone"}},
		{name: "bad resolvers", hcl: "zone \"y.example\" {\n  resolvers = [\"tls://10.0.0.1\", \"https:///x\", \"tcp://10.0.0.1:0\", \"https://u:p@h/dns-query\", \"tcp://10.0.0.1:53\", \"https://10.0.0.1/dns-query\"]\n  max_values = 0\n}\n",
			want: []string{"main.hcl:2 Bad resolver", "main.hcl:2 Bad resolver", "main.hcl:2 Bad server", "main.hcl:3 Bad max_values"}},
		{name: "bad zone", hcl: "zone \"exa mple\" {}\nzone \"y\" {\n  nameservers = [\"10.0.0.1:99999\", \"a b\"]\n  max_wait = \"long\"\n  dns = []\n}\ndns \"rfc2136\" \"b\" {\n  zones = [\"*.example.com\"]\n}\n",
			want: []string{"main.hcl:1 Bad zone", "main.hcl:3 Bad server", "main.hcl:3 Bad server", "main.hcl:4 Wrong value", "main.hcl:5 No dns block for a zone", "main.hcl:8 Bad zone"}},
		{name: "sink twice", hcl: aSink + "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.web, sink.file.web]\n}\n", want: []string{"main.hcl:6 warning: Sink listed twice"}},
	})
}

func TestHabits(t *testing.T) {
	for _, c := range []struct{ hcl, says string }{
		{"provider \"cloudflare\" {}", "a dns block says where records go"},
		{"terraform {\n  backend \"s3\" {}\n}", "in a certform block"},
		{"resource \"a\" \"b\" {}", "There are no resources"},
		{"data \"a\" \"b\" {}", "There are no data sources"},
		{"module \"a\" {}", "There are no modules"},
		{"output \"a\" {}", "There are no outputs"},
		{"moved {}", "moved blocks do not exist"},
		{"sink \"file\" \"a\" {\n  combined = \"/x\"\n  count = 2\n}", "There is no count"},
		{"sink \"file\" \"a\" {\n  combined = \"/x\"\n  depends_on = []\n}", "There is no depends_on"},
		{"sink \"file\" \"a\" {\n  combined = \"/x\"\n  lifecycle {}\n}", "There is no lifecycle"},
		{"sink \"file\" \"a\" {\n  combined = \"/x\"\n  dynamic \"endpoint\" {}\n}", "There are no dynamic blocks"},
		{"variable \"a\" {\n  default = 1\n  sensitive = true\n}", "Nothing is marked sensitive"},
		{"certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n  provider = 1\n}", "a dns block says where records go"},
		{"certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n  common_name = \"a\"\n}", "The names of a certificate are names"},
		{"certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n  subject_alternative_names = []\n}", "The names of a certificate are names"},
		{"certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n  dns_challenge {}\n}", "is found by the dns and zone blocks"},
		{"certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n  endpoint {}\n}", "An endpoint block belongs into a sink"},
		{"certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n  min_days_remaining = 30\n}", "there is nothing to set"},
		{"certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n  key_algorithm = \"RSA\"\n}", "key_type = "},
		{"locals {\n  a = variable.x\n}", "A variable is referred to by var.NAME"},
		{"locals {\n  a = data.x.y\n}", "There are no data sources"},
		{"locals {\n  a = path.module\n}", "relative to the file that calls them"},
		{"locals {\n  a = count.index\n}", "There is no count"},
		{"locals {\n  a = terraform.workspace\n}", "no workspaces"},
		{"locals {\n  a = timestamp()\n}", "the same configuration at any time"},
		{"required_version = \">= 1\"", "belongs into the certform block"},
	} {
		t.Run(c.hcl, func(t *testing.T) {
			dir := write(t, map[string]string{"main.hcl": c.hcl + "\n", "sound.hcl": sound})
			cfg, diags := config.Load(options(dir))
			if len(diags) != 1 || !diags.HasErrors() || !strings.Contains(diags[0].Detail, c.says) {
				t.Errorf("want %q, got\n%s", c.says, show(cfg, diags))
			}
		})
	}
}

// What one mistake hides of others, and what one says more than once.
func TestOneByOne(t *testing.T) {
	run(t, []mistake{
		{name: "a file that is broken hides no swapped letters", hcl: aSink + "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.wbe, \"sink.file.web\"]\n}\n", more: map[string]string{"x.hcl": "}\n"}, want: []string{"main.hcl:6 Unknown reference", "main.hcl:6 Wrong reference", "x.hcl:1 Argument or block definition required"}, says: `There is no sink.file.wbe. Did you mean sink.file.web?`},
		{name: "what has the name of another has its own mistakes told", hcl: aSink + "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.web]\n}\ncertificate \"a\" {\n  for_each = local.nobody\n  names = [var.undefined, local.nope]\n  labels = [1]\n  snks = []\n}\nsink \"file\" \"web\" {\n  combined = \"x-${certificate.nmae}\"\n  wave = \"first\"\n  endpoint \"x\" {\n    within = \"5 minutes\"\n  }\n}\nlocals {\n  one = 1\n}\nlocals {\n  one = local.neither\n}\ndns \"cloudflare\" \"main\" {\n  api_token = secret(\"env:T\")\n}\ndns \"cloudflare\" \"main\" {\n  api_tokn = 1\n}\nzone \"x.example\" {}\nzone \"x.example\" {\n  max_wait = \"long\"\n}\n", want: []string{"main.hcl:10 Unknown reference", "main.hcl:10 Unknown reference", "main.hcl:11 Wrong type of value", "main.hcl:12 Unsupported argument", "main.hcl:14 Duplicate sink", "main.hcl:15 Unsupported attribute", "main.hcl:16 Wrong type of value", "main.hcl:17 Extraneous label for endpoint", "main.hcl:18 Wrong value", "main.hcl:25 Duplicate local", "main.hcl:25 Unknown reference", "main.hcl:30 Duplicate dns", "main.hcl:31 Unsupported argument", "main.hcl:34 Duplicate zone", "main.hcl:35 Wrong value", "main.hcl:8 Duplicate certificate", "main.hcl:9 Unknown reference"}},
		{name: "a label of an endpoint hides nothing in it", hcl: "sink \"pull\" \"p\" {\n  endpoint \"x\" {\n    within = \"5 minutes\"\n    port = 0\n  }\n}\n", want: []string{"main.hcl:2 Extraneous label for endpoint", "main.hcl:3 Wrong value", "main.hcl:4 Bad port"}},
		{name: "a port that is no number is one mistake", hcl: "sink \"file\" \"p\" {\n  directory = \"/x\"\n  endpoint {\n    port = \"https\"\n  }\n}\n", want: []string{"main.hcl:4 Wrong type of value"}, says: `takes a number, and this is a text.`},
		{name: "one word for what is not a list", hcl: "certificate \"a\" {\n  names = \"a.example.com\"\n  labels = [\"x\"]\n  sinks = []\n}\nsink \"file\" \"p\" {\n  directory = \"/x\"\n  reload = \"x\"\n}\n", want: []string{"main.hcl:2 Wrong type of value", "main.hcl:3 Wrong type of value", "main.hcl:8 Wrong type of value"}, says: `The argument "reload" takes a list of texts, and this is a text.`, not: `tuple`},
		{name: "a certificate is not referred to", hcl: "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n}\ncertificate \"b\" {\n  names = certificate.a.names\n  sinks = []\n}\n", want: []string{"main.hcl:6 Unknown reference"}, says: `A certificate block is referred to by nothing.`},
		{name: "a variable where there is none", hcl: "certificate \"a\" {\n  names = [var.domain]\n  sinks = []\n}\n", want: []string{"main.hcl:2 Unknown reference"}, says: `no variable is declared here.`, not: `There are none`},
		{name: "a text without its end", hcl: "locals {\n  a = \"x\n  b = \"y\"\n  c = [\n    \"z\",\n  ]\n}\n", want: []string{"main.hcl:2 Invalid multi-line string"}, says: `its closing quote (") is missing`},
		{name: "an interpolation without its end", hcl: "locals {\n  a = \"${local.b\"\n  b = \"y\"\n  c = [\"z\"]\n  d = \"$${x}\"\n}\n", want: []string{"main.hcl:2 Unclosed template interpolation sequence"}},
		{name: "the mistakes before a text without its end", hcl: "locals {\n  a = \n  b = \"y\n  c = [\"z\"]\n}\n", want: []string{"main.hcl:2 Invalid expression", "main.hcl:3 Invalid multi-line string"}},
	})
}
