package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/config"
	"golang.org/x/sys/unix"
)

const aCertificate = "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = []\n}\n"

func TestUnreadableFiles(t *testing.T) {
	for _, c := range []struct {
		name, says string
		make       func(path string) error
	}{
		{"dangling symlink", "symbolic link to nowhere.hcl, which does not exist", func(p string) error { return os.Symlink("nowhere.hcl", p) }},
		{"directory", "a directory with the name of a configuration file", func(p string) error { return os.Mkdir(p, 0o755) }},
		{"binary", "not a text file", func(p string) error { return os.WriteFile(p, []byte("\x7fELF\x00\x01\x02"), 0o644) }},
		{"Latin-1", "not a text file", func(p string) error { return os.WriteFile(p, []byte("# b\xfccher\n"), 0o644) }},
		{"100 MB", "It has 100 MiB; a configuration file has at most 10 MiB", func(p string) error {
			f, err := os.Create(p)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Truncate(100 << 20)
		}},
		{"pipe", "not a regular file but a named pipe", func(p string) error { return unix.Mkfifo(p, 0o644) }},
		{"bomb of brackets", "nests brackets", func(p string) error {
			return os.WriteFile(p, []byte("locals {\n  a = "+strings.Repeat("(", 1<<20)+"\n}\n"), 0o644)
		}},
		{"bomb of operators", "nests brackets or operators", func(p string) error {
			return os.WriteFile(p, []byte("locals {\n  a = "+strings.Repeat("!", 1<<20)+"true\n}\n"), 0o644)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, map[string]string{"sound.hcl": sound, "main.hcl": aCertificate + "locals {\n  a = upper([])\n}\n"})
			if err := c.make(filepath.Join(dir, "x.hcl")); err != nil {
				t.Fatal(err)
			}
			cfg, diags := config.Load(options(dir))
			want := []string{"main.hcl:6 Invalid function argument", "x.hcl:1 File cannot be read"}
			if got := found(dir, diags); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if text := show(cfg, diags); !strings.Contains(strings.Join(strings.Fields(text), " "), c.says) {
				t.Errorf("nothing says %q:\n%s", c.says, text)
			}
		})
	}
}

func TestEndsOfLinesAndMarks(t *testing.T) {
	const mark = "\ufeff"
	c := load(t, options(write(t, map[string]string{
		"sound.hcl":  mark + strings.ReplaceAll(sound, "\n", "\r\n"),
		"a.hcl.json": mark + `{"certificate": {"a": {"names": ["a.example.com"], "sinks": []}}}`,
		"b.hcl":      mark + strings.ReplaceAll("certificate \"b\" {\n  names = [\"b.example.com\"]\n  sinks = []\n}\n", "\n", "\r\n"),
	})))
	if len(c.Certificates) != 2 {
		t.Errorf("%+v", c.Certificates)
	}
}

func TestWithoutFiles(t *testing.T) {
	for name, dir := range map[string]string{
		"empty":     write(t, map[string]string{".hidden.hcl": "x", "x.hcl~": "x", "y.vars.hcl": "x = 1"}),
		"not there": filepath.Join(t.TempDir(), "no"),
	} {
		cfg, diags := config.Load(options(dir))
		if len(diags) != 1 || !diags.HasErrors() || !strings.Contains(show(cfg, diags), dir) {
			t.Errorf("%s: %s", name, show(cfg, diags))
		}
		if name == "empty" && !strings.Contains(diags[0].Detail, "certform init") {
			t.Errorf("%s: does not say what to do: %s", name, diags[0].Detail)
		}
		if entries, _ := os.ReadDir(dir); name == "empty" && len(entries) != 3 {
			t.Errorf("something was created: %v", entries)
		}
	}
}

func TestInclude(t *testing.T) {
	root := write(t, map[string]string{
		"prod/main.hcl":        "certform {\n  include = [\"../shared\", \"teams/*\"]\n}\n" + sound,
		"prod/secret.txt":      "no",
		"prod/teams/a/a.hcl":   "locals {\n  who = trimspace(file(\"who.txt\"))\n}\n",
		"prod/teams/a/who.txt": "team-a\n",
		"prod/teams/b/b.hcl":   "certificate \"b\" {\n  names = [\"${local.who}.example.com\"]\n  sinks = [sink.file.s]\n}\n",
		"prod/teams/note.txt":  "a file, passed over by the pattern",
		"shared/sinks.hcl":     "certform {\n  include = [\"../prod\"]\n}\nsink \"file\" \"s\" {\n  combined = \"out/${certificate.name}.pem\"\n}\n",
	})
	c := load(t, options(filepath.Join(root, "prod")))
	if got := c.Certificates[0]; got.Names[0].Value != "team-a.example.com" || got.Places[0].Target != "file:"+filepath.Join(root, "shared/out/b.pem") {
		t.Errorf("%+v", got)
	}
	for name, to := range map[string]string{"prod/link": "../shared", "now": "prod"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	overwrite(t, root, "prod/more.hcl", "certform {\n  include = [\"link\", \".\", \"../shared/../shared/\"]\n}\n")
	for _, dir := range []string{"prod", "now"} {
		if c := load(t, options(filepath.Join(root, dir))); len(c.Certificates) != 1 {
			t.Errorf("%s: %+v", dir, c.Certificates)
		}
	}
	run(t, []mistake{
		{name: "bad includes", hcl: "certform {\n  include = [\"nope\", \"${local.x}\", \"sound.hcl\", \"[\"]\n}\ncertform {\n  include = local.x\n}\n" + aCertificate,
			want: []string{"main.hcl:2 Included directory cannot be read", "main.hcl:2 Bad include", "main.hcl:2 Bad include", "main.hcl:2 Bad include", "main.hcl:5 Bad include"}},
		{name: "empty pattern", hcl: "certform {\n  include = [\"teams/*\"]\n}\n" + aCertificate, want: []string{"main.hcl:2 warning: Nothing to include"}},
	})
}

func TestRequiredVersion(t *testing.T) {
	for constraint, want := range map[string]string{
		">= 0.1": "", ">= 0.1.0-beta": "", "~> 0.1": "", "~> 0.1.0": "", ">= 0.1, < 1": "", "0.1.0": "", "!= 0.2.0": "",
		">= 0.2": "Wrong version of certform", "< 0.1": "Wrong version of certform", "~> 0.0.9": "Wrong version of certform", "~> 1.0": "Wrong version of certform",
		"soon": "Bad version constraint", "=> 1": "Bad version constraint", "": "Bad version constraint",
	} {
		dir := write(t, map[string]string{"sound.hcl": sound, "main.hcl": "certform {\n  required_version = \"" + constraint + "\"\n}\n" + aCertificate})
		_, diags := config.Load(options(dir))
		got := ""
		if diags.HasErrors() {
			got = diags[0].Summary
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", constraint, got, want)
		}
		o := options(dir)
		o.Version = "0.1.0-dev"
		if _, diags := config.Load(o); diags.HasErrors() != (want != "") {
			t.Errorf("%q before the release: %v", constraint, diags)
		}
		o.Version = "dev"
		if _, diags := config.Load(o); diags.HasErrors() != (want == "Bad version constraint") {
			t.Errorf("%q with a build from a checkout: %v", constraint, diags)
		}
	}
}

func TestDigest(t *testing.T) {
	files := map[string]string{
		"sound.hcl": sound, "list.txt": "one",
		"main.hcl": "variable \"v\" {\n  default = \"x\"\n}\nlocals {\n  a = file(\"list.txt\")\n  e = env(\"STAGE\", \"\")\n}\n" + aCertificate,
	}
	of := func(change func(map[string]string, *config.Options)) string {
		mine := map[string]string{}
		for k, v := range files {
			mine[k] = v
		}
		var o config.Options
		change(mine, &o)
		oo := options(write(t, mine))
		oo.Vars = o.Vars
		if o.Env != nil {
			oo.Env = o.Env
		}
		return load(t, oo).Digest
	}
	base := of(func(map[string]string, *config.Options) {})
	if again := of(func(map[string]string, *config.Options) {}); again != base || len(base) != 64 {
		t.Errorf("the same in another directory: %s and %s", base, again)
	}
	for name, change := range map[string]func(map[string]string, *config.Options){
		"a file":          func(f map[string]string, _ *config.Options) { f["main.hcl"] += "# more\n" },
		"a new file":      func(f map[string]string, _ *config.Options) { f["new.hcl"] = "" },
		"what file reads": func(f map[string]string, _ *config.Options) { f["list.txt"] = "two" },
		"a variable":      func(_ map[string]string, o *config.Options) { o.Vars = []config.Var{{Name: "v", Value: "y"}} },
		"the environment": func(_ map[string]string, o *config.Options) {
			o.Env = func(n string) (string, bool) { return "prod", n == "STAGE" }
		},
	} {
		if of(change) == base {
			t.Errorf("the digest does not see a change of %s", name)
		}
	}
}
