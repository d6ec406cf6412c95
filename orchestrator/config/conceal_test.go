package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/config"
)

// TestReferencesToSecrets: what is wrong with a reference is told when the
// configuration is read, not when a connection is opened.
func TestReferencesToSecrets(t *testing.T) {
	for ref, says := range map[string]string{
		"env:":              "it does not say which secret is meant",
		"env:A B":           "that is no name of an environment variable",
		"vault:kv/app":      "#FIELD is missing",
		"vault:app#f":       "it needs a mount and a path",
		"vault:kv/../a#f":   "made of dots",
		"exec:prog 'a":      "is not closed",
		"env:TOKEN":         "",
		"file:token.txt":    "",
		"vault:kv/a/b#f":    "",
		"exec:prog -a 'b c": "is not closed",
	} {
		dir := write(t, map[string]string{"sound.hcl": sound, "main.hcl": aCertificate + fmt.Sprintf("locals {\n  s = secret(%q)\n}\n", ref)})
		c, diags := config.Load(options(dir))
		text := show(c, diags)
		if diags.HasErrors() != (says != "") || !strings.Contains(strings.Join(strings.Fields(text), " "), says) {
			t.Errorf("%s: want %q, got\n%s", ref, says, text)
		}
		if says != "" && !strings.Contains(text, fmt.Sprintf("secret(%q)", ref)) {
			t.Errorf("%s: a reference is no secret and may be shown:\n%s", ref, text)
		}
	}
}

// TestNoSecretIsShown writes a secret out in every place where somebody might,
// next to other mistakes that make the line be quoted.
func TestNoSecretIsShown(t *testing.T) {
	const canary = "hunter2"
	v := func(lines string) string {
		return "sink \"vault\" \"v\" {\n  address = \"a\"\n  path = \"p\"\n" + lines + "}\n"
	}
	const variable = "variable \"t\" {\n  default = \"hunter2\"\n}\nlocals {\n  t = var.t\n  u = \"x ${local.t}\"\n}\n"
	for name, hcl := range map[string]string{
		"escapes":                      v(`  token = "a\"hunter2"` + "\n"),
		"interpolation":                v(`  token = "a${upper("hunter2")}b"` + "\n"),
		"heredoc":                      v("  token = <<X\nhunter2\nX\n"),
		"number":                       v("  token = 123456789\n"),
		"without quotes":               v("  token = hunter2\n"),
		"unknown function":             v("  token = uper(\"hunter2\")\n"),
		"unknown function of variable": variable + v("  token = uper(var.t)\n"),
		"wrong function of variable":   variable + v("  token = parseint(var.t, 10)\n"),
		"variable, shown elsewhere":    variable + v("  token = var.t\n  mount = [var.t]\n") + "locals {\n  w = parseint(local.u, 10)\n  x = [local.t.y]\n}\n",
		"variable in secret()":         variable + v("  token = secret(local.u)\n") + "certificate \"a\" {\n  names = [var.t]\n  sinks = []\n}\n",
		"unknown kind in one line":     "dns \"cloudfalre\" \"a\" { api_token = \"hunter2\" }\n",
		"a label too many in one line": "dns \"cloudflare\" \"a\" \"b\" { api_token = \"hunter2\" }\n",
		"syntax error":                 v("  token = \"hunter2\n"),
		"syntax error on the line":     v("  token = secret(\"hunter2\"\n"),
		"syntax error, one line":       "dns \"cloudflare\" \"a\" { api_token = \"hunter2\", server = 1 }\n",
		"misspelt argument":            v("  tokn_secret = \"hunter2\"\n"),
		"a letter too few":             v("  tokn = \"hunter2\"\n"),
		"a letter too many":            "dns \"cloudflare\" \"a\" {\n  api_tokenn = \"hunter2\"\n}\n",
		"letters that changed places":  v("  api_tokne = \"hunter2\"\n"),
		"a misspelt password":          v("  pasword = \"hunter2\"\n"),
		"too many arguments":           v("  token = secret(\"hunter2\", \"hunter2\")\n"),
		"compared":                     "locals {\n  a = secret(\"env:T\") == \"hunter2\"\n}\n",
		"conditional":                  v("  token = true ? \"hunter2\" : secret(\"env:T\")\n"),
		"a map":                        v("  token = { token = \"hunter2\" }\n"),
		"in a URL":                     "issuer \"acme\" \"x\" {\n  directory = \"ftp://u:hunter2@ca\"\n}\nissuer \"acme\" \"y\" {\n  directory = \"https://u:hunter2@ca\"\n  bogus = 1\n}\n",
		"each.value":                   strings.Replace(v("  token = each.value.token\n  mount = [each.value.token.x]\n"), "{\n", "{\n  for_each = { a = { token = \"hunter2\" } }\n", 1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{"sound.hcl": sound, "main.hcl": hcl})
			c, diags := config.Load(options(dir))
			if text := show(c, diags); !diags.HasErrors() || strings.Contains(text, canary) || strings.Contains(text, "123456789") {
				t.Errorf("%v\n%s", diags.HasErrors(), text)
			}
		})
	}
	for name, text := range map[string]string{
		"JSON":           `{"sink": {"vault": {"v": {"address": "a", "path": "p", "token": "hunter2", "x": 1}}}}`,
		"JSON escapes":   `{"sink": {"vault": {"v": {"address": "a", "path": "p", "token": "a\"hunter2", "x": 1}}}}`,
		"JSON call":      `{"sink": {"vault": {"v": {"address": "a", "path": "p", "token": "${\"\" == \"\" ? secret(\"hunter2\") : null}"}}}}`,
		"JSON template":  `{"sink": {"vault": {"v": {"address": "a", "path": "p", "token": "hunter2 ${1}"}}}}`,
		"JSON broken":    `{"sink": {"vault": {"v": {"address": "a", "path": "p", "token": "hunter2, "x": 1}}}}`,
		"JSON, unknown":  `{"sink": {"vaul": {"v": {"token": "hunter2"}}}}`,
		"JSON, compared": `{"locals": {"s": "${secret(\"env:T\")}", "a": ["${local.s == \"hunter2\"}"]}}`,
		"JSON, one more": `{"sink": {"vault": {"v": {"address": ["a", "b:"], "path": "p", "token": "hunter2"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{"sound.hcl": sound, "main.hcl.json": text})
			c, diags := config.Load(options(dir))
			if text := show(c, diags); !diags.HasErrors() || strings.Contains(text, canary) {
				t.Errorf("%v\n%s", diags.HasErrors(), text)
			}
		})
	}
}

func TestLinesStayReadable(t *testing.T) {
	for hcl, says := range map[string]string{
		"locals {\n  a = { key = \"lb1\", ip = local.nope }\n}\n":                                               `a = { key = "lb1", ip = local.nope }`,
		"sink \"vault\" \"v\" { token = upper(local.nope[\"x\"]) }\n":                                           `token = upper(local.nope["*"])`,
		"variable \"d\" {\n  default = \"example\"\n}\nlocals {\n  a = parseint(var.d, 10)\n}\n" + aCertificate: `with var.d as "example"`,
		"locals {\n  a = upper(secret(\"vault:kv/app#token\"))\n}\n":                                            `upper(secret("vault:kv/app#token"))`,
	} {
		dir := write(t, map[string]string{"sound.hcl": sound, "main.hcl": hcl})
		c, diags := config.Load(options(dir))
		if text := show(c, diags); !strings.Contains(text, says) {
			t.Errorf("nothing says %q:\n%s", says, text)
		}
	}
}
