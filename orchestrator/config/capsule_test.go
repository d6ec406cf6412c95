package config_test

import (
	"testing"

	"github.com/certform/certform/orchestrator/config"
)

// TestSecretsEverywhere gives a secret, and a reference, to everything that
// takes a value. Nothing may panic, and nothing may make text of it.
func TestSecretsEverywhere(t *testing.T) {
	refused := []string{
		`"x${V}"`, `upper(V)`, `jsonencode(V)`, `jsonencode({ a = [V] })`, `yamlencode(V)`, `yamlencode([V])`, `format("%s", V)`, `format("%v", V)`,
		`format("%#v", V)`, `formatlist("%s", [V])`, `join(",", [V])`, `tostring(V)`, `tonumber(V)`, `tobool(V)`, `convert(V, string)`,
		`{ (V) = 1 }`, `{ for x in [V] : x => 1 }`, `md5(V)`, `sha256(V)`, `base64encode(V)`, `sort([V])`, `split(V, "a")`, `replace("a", V, "b")`,
		`regex(V, "a")`, `substr(V, 0, 1)`, `strlen(V)`, `file(V)`, `env(V)`, `secret(V)`, `templatefile("t.tpl", { x = V })`, `urlencode(V)`, `parseint(V, 10)`,
		`csvdecode(V)`, `jsondecode(V)`, `yamldecode(V)`, `max(V)`, `V + 1`, `V && true`, `-V`, `V ? 1 : 2`, `V.x`, `V["x"]`, `[for x in V : x]`, `title(V)`, `indent(1, V)`,
		`"%{ if V }a%{ endif }"`, `"%{ for x in [V] }${x}%{ endfor }"`, `zipmap([V], [1])`, `lookup({ a = 1 }, V, 2)`, `element(V, 0)`, `length(V)`, `keys(V)`,
		`merge(V, {})`, `concat(V)`, `compact([V])`, `chunklist(V, 1)`, `timeadd(V, "1h")`, `formatdate("YYYY", V)`, `range(V)`, `cidrhost(V, 1)`, `uuidv5("dns", V)`,
		`toset(["a", V])`, `tolist(["a", V])`, `tomap({ a = "x", b = V })`, `anytrue([V])`, `startswith(V, "env")`,
		`reverse(V)`, `strrev(V)`, `slice([V], V, 1)`, `fileset(V, "*")`, `fileexists(V)`, `contains("a", V)`,
	}
	allowed := []string{
		`[V]`, `{ a = V }`, `try(V, "x")`, `concat([V], ["x"])`, `merge({ a = V }, {})`, `flatten([[V]])`, `[for x in [V] : x]`, `"${V}"`, `toset([V])`,
		`tolist([V])`, `tomap({ a = V })`, `distinct([V, V])`, `contains([V], V)`, `length([V])`, `can(V)`, `true ? V : null`, `setunion([V], [V])`, `setproduct([V], ["a"])`,
		`element([V], 0)`, `values({ a = V })`, `reverse([V])`, `zipmap(["a"], [V])`, `coalesce(V, V)`, `coalescelist([], [V])`,
	}
	for what, v := range map[string]string{"secret": `secret("env:X")`, "reference": `sink.file.s`} {
		dir := write(t, map[string]string{"sound.hcl": sound, "t.tpl": "${x}", "more.hcl": aCertificate + "sink \"file\" \"s\" {\n  combined = \"/x\"\n}\n"})
		try := func(expr string, want bool) {
			t.Run(what+" "+expr, func(t *testing.T) {
				overwrite(t, dir, "main.hcl", "locals {\n  v = "+v+"\n  a = "+replaceV(expr)+"\n}\n")
				c, diags := config.Load(options(dir))
				if diags.HasErrors() != want {
					t.Errorf("errors: %v, want %v\n%s", diags.HasErrors(), want, show(c, diags))
				}
			})
		}
		for _, e := range refused {
			try(e, true)
		}
		for _, e := range allowed {
			try(e, false)
		}
	}
}

func replaceV(expr string) string {
	var out []byte
	for i := range len(expr) {
		if expr[i] == 'V' {
			out = append(out, "local.v"...)
			continue
		}
		out = append(out, expr[i])
	}
	return string(out)
}
