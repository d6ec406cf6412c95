package config_test

import (
	"path/filepath"
	"testing"

	"github.com/certform/certform/orchestrator/config"
)

// echo shows a value as the label of a certificate.
const echo = "certificate \"a\" {\n  names  = [\"a.example.com\"]\n  labels = { v = jsonencode(var.v) }\n  sinks  = []\n}\n"

func TestPrecedence(t *testing.T) {
	files := map[string]string{
		"sound.hcl": sound, "main.hcl": "variable \"v\" {\n  default = \"default\"\n}\n" + echo,
	}
	auto := map[string]string{"b.auto.vars.hcl": `v = "b"`, "a.auto.vars.hcl": `v = "a"`, "c.auto.vars.hcl.json": `{"v": "c"}`, "manual.vars.hcl": `v = "manual"`}
	env := func(n string) (string, bool) { return "env", n == "CERTFORM_VAR_v" }
	for _, c := range []struct {
		name string
		auto bool
		env  bool
		vars []config.Var
		want string
	}{
		{name: "default", want: "default"},
		{name: "environment over default", env: true, want: "env"},
		{name: "auto files over environment, the last by name", auto: true, env: true, want: "c"},
		{name: "-var over auto files", auto: true, env: true, vars: []config.Var{{Name: "v", Value: "var"}}, want: "var"},
		{name: "-var-file after -var", auto: true, vars: []config.Var{{Name: "v", Value: "var"}, {File: "manual.vars.hcl"}}, want: "manual"},
		{name: "-var after -var-file", auto: true, vars: []config.Var{{File: "manual.vars.hcl"}, {Name: "v", Value: "var"}}, want: "var"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mine := map[string]string{}
			for k, v := range files {
				mine[k] = v
			}
			if c.auto {
				for k, v := range auto {
					mine[k] = v
				}
			}
			o := options(write(t, mine))
			for _, v := range c.vars {
				if v.File != "" {
					v.File = filepath.Join(o.Dir, v.File)
				}
				o.Vars = append(o.Vars, v)
			}
			if c.env {
				o.Env = env
			}
			if got := load(t, o).Certificates[0].Labels["v"]; got != `"`+c.want+`"` {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestVariableTypes(t *testing.T) {
	for _, c := range []struct{ name, decl, value, want string }{
		{"text as it is", `type = string`, `[1, 2`, `"[1, 2"`},
		{"number", `type = number`, `12`, `12`},
		{"bool", `type = bool`, `true`, `true`},
		{"list", `type = list(string)`, `["a", 1]`, `["a","1"]`},
		{"object with a default", `type = object({ a = string, b = optional(number, 7) })`, `{ a = "x" }`, `{"a":"x","b":7}`},
		{"without a type", ``, `12`, `"12"`},
		{"any", `type = any`, `12`, `"12"`},
		{"null and not nullable", "type = list(string)\n  nullable = false\n  default = [\"d\"]", `null`, `["d"]`},
		{"validated", "type = string\n  validation {\n    condition     = length(regexall(\"^[a-z]+$\", var.v)) > 0\n    error_message = \"lower case only\"\n  }", `abc`, `"abc"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(write(t, map[string]string{"sound.hcl": sound, "main.hcl": "variable \"v\" {\n  " + c.decl + "\n}\n" + echo}))
			o.Vars = []config.Var{{Name: "v", Value: c.value}}
			if got := load(t, o).Certificates[0].Labels["v"]; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestVariableMistakes(t *testing.T) {
	give := func(v ...config.Var) func(*config.Options) { return func(o *config.Options) { o.Vars = v } }
	run(t, []mistake{
		{name: "no value", hcl: "variable \"v\" {}\n" + echo, want: []string{"main.hcl:1 Variable without a value"}, says: "CERTFORM_VAR_v"},
		{name: "wrong type", hcl: "variable \"v\" {\n  type = number\n}\n" + echo, opts: give(config.Var{Name: "v", Value: "hunter2"}), want: []string{"main.hcl:1 Wrong value of a variable"}, not: "hunter2"},
		{name: "no expression", hcl: "variable \"v\" {\n  type = list(string)\n}\n" + echo, opts: give(config.Var{Name: "v", Value: "[hunter2"}), want: []string{"main.hcl:1 Wrong value of a variable"}, not: "hunter2"},
		{name: "wrong default", hcl: "variable \"v\" {\n  type = number\n  default = \"x\"\n}\n" + echo, want: []string{"main.hcl:3 Wrong default of a variable"}},
		{name: "bad type", hcl: "variable \"v\" {\n  type = strong\n}\n" + echo, want: []string{"main.hcl:2 Invalid type specification"}},
		{name: "default that refers", hcl: "variable \"v\" {\n  default = local.x\n}\n" + echo, want: []string{"main.hcl:2 Variables not allowed"}},
		{name: "unknown -var", hcl: "variable \"stage\" {\n  default = 1\n}\n" + aCertificate, opts: give(config.Var{Name: "stag", Value: "x"}), want: []string{"Unknown variable"}, says: "Did you mean stage?"},
		{name: "unknown in a file", hcl: aCertificate, more: map[string]string{"x.auto.vars.hcl": "nope = 1\n"}, want: []string{"x.auto.vars.hcl:1 warning: Unknown variable"}},
		{name: "missing -var-file", hcl: aCertificate, opts: give(config.Var{File: "nope.vars.hcl"}), want: []string{"nope.vars.hcl:1 File cannot be read"}},
		{name: "wrong type in a file", hcl: "variable \"v\" {\n  type = number\n}\n" + echo, more: map[string]string{"x.auto.vars.hcl": "v = []\n"}, want: []string{"x.auto.vars.hcl:1 Wrong value of a variable"}},
		{name: "block in a file", hcl: aCertificate, more: map[string]string{"x.auto.vars.hcl": "v {}\n"}, want: []string{"x.auto.vars.hcl:1 Unexpected \"v\" block"}},
		{name: "refused", hcl: "variable \"v\" {\n  default = \"ABC\"\n  validation {\n    condition     = lower(var.v) == var.v\n    error_message = \"Write ${var.v} in lower case.\"\n  }\n}\n" + echo, want: []string{"main.hcl:2 Variable refused by its validation"}, says: "Write ABC in lower case."},
		{name: "wrong condition", hcl: "variable \"v\" {\n  default = \"ABC\"\n  validation {\n    condition     = [var.w]\n    error_message = \"x\"\n  }\n}\n" + echo, want: []string{"main.hcl:4 Unknown reference", "main.hcl:4 Wrong condition"}},
		{name: "incomplete validation", hcl: "variable \"v\" {\n  default = 1\n  validation {\n    condition = true\n  }\n}\n" + echo, want: []string{"main.hcl:3 Missing required argument"}},
	})
}

func TestFunctions(t *testing.T) {
	dir := write(t, map[string]string{"sub/b.txt": "b", "sub/a.txt": "a", "t.tpl": "hello ${name}", "x.yaml": "a: [1, 2]\n", "sound.hcl": sound})
	for _, c := range []struct{ expr, want string }{
		{`file("sub/a.txt")`, `"a"`},
		{`join(",", fileset("sub", "*.txt"))`, `"a.txt,b.txt"`},
		{`fileexists("sub/a.txt") && !fileexists("nope")`, `true`},
		{`templatefile("t.tpl", { name = "you" })`, `"hello you"`},
		{`yamldecode(file("x.yaml")).a[1]`, `2`},
		{`env("STAGE")`, `"prod"`},
		{`env("NOPE", "d")`, `"d"`},
		{`try(env("NOPE"), "fallback")`, `"fallback"`},
		{`can(env("NOPE"))`, `false`},
		{`convert("1", number)`, `1`},
		{`cidrhost("10.0.0.0/8", 5)`, `"10.0.0.5"`},
		{`alltrue([true, true]) && !anytrue([false])`, `true`},
		{`startswith("abc", "ab") && endswith("abc", "bc") && strcontains("abc", "b")`, `true`},
		{`{ for k, v in sink.file.s : k => 1 }`, `{"x":1}`},
		{`length(concat([sink.file.s], values(sink.file.s)))`, `2`},
		{`sink.file.s["x"] == sink.file.s.x`, `true`},
		{`filebase64("sub/a.txt")`, `"YQ=="`},
	} {
		t.Run(c.expr, func(t *testing.T) {
			o := options(dir)
			o.Env = func(n string) (string, bool) { return "prod", n == "STAGE" }
			overwrite(t, dir, "main.hcl", "sink \"file\" \"s\" {\n  for_each = [\"x\"]\n  combined = \"/x\"\n}\nlocals {\n  v = "+c.expr+"\n}\ncertificate \"a\" {\n  names  = [\"a.example.com\"]\n  labels = { v = jsonencode(local.v) }\n  sinks  = []\n}\n")
			if got := load(t, o).Certificates[0].Labels["v"]; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	run(t, []mistake{
		{name: "mistakes", hcl: "locals {\n  a = file(\"nope.txt\")\n  b = env(\"NOPE\")\n  c = templatefile(\"t.tpl\", {})\n  d = file(\".\")\n  e = timestamp()\n}\n" + aCertificate, more: map[string]string{"t.tpl": "${x}"},
			want: []string{"main.hcl:2 Error in function call", "main.hcl:3 Invalid function argument", "main.hcl:4 Error in function call", "main.hcl:5 Error in function call", "main.hcl:6 Call to unknown function"}},
	})
}
