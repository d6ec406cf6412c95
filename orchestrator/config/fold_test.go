package config_test

import "testing"

// One range can hold several mistakes: only what comes back for another
// instance of a for_each is folded.
func TestSeveralMistakesAtOneRange(t *testing.T) {
	run(t, []mistake{
		{name: "missing arguments", hcl: "sink \"vault\" \"v\" {}\n",
			want: []string{"main.hcl:1 Missing required argument", "main.hcl:1 Missing required argument", "main.hcl:1 Missing required argument"}},
		{name: "names in a local", hcl: "locals {\n  bad = [\"a b.example.com\", \"x..example.com\", \"x..example.com\"]\n}\ncertificate \"a\" {\n  names = local.bad\n  sinks = []\n}\n",
			want: []string{"main.hcl:5 Not a name for a certificate", "main.hcl:5 Not a name for a certificate"}},
		{name: "rows of a table", hcl: "certificate \"a\" {\n  for_each = { a = [\"x y.example.com\", \"-.example.com\"], b = [\"b.example.com\"], c = [\"p..example.com\"] }\n  names = each.value\n  sinks = []\n}\n",
			want: []string{"main.hcl:3 Not a name for a certificate", "main.hcl:3 Not a name for a certificate"}, says: `For certificate.a["a"], and 1 more: - certificate.a["c"]: "p..example.com"`},
	})
}
