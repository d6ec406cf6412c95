package plan

import (
	"strings"
	"testing"
)

// One row a rule of RFC 8659 and RFC 8657.
func TestMayIssue(t *testing.T) {
	const account = "https://ca.example/acct/1"
	us := Issuer{Address: "issuer.acme.us", CAA: []string{"us.example", "alias.example"}, AccountURL: account}
	noAccount := Issuer{Address: "issuer.acme.us", CAA: us.CAA}
	nameless := Issuer{Address: "issuer.acme.us", AccountURL: account}
	const host, wild = "www.example.com", "*.example.com"
	// A record is "flag tag value" of example.com.
	for _, c := range []struct {
		what    string
		issuer  Issuer
		name    string
		records []string
		want    Verdict
		why     string // part of it
	}{
		{"no record", us, host, nil, Allowed, ""},
		{"no record, wildcard", us, wild, nil, Allowed, ""},
		{"it is named", us, host, []string{"0 issue us.example"}, Allowed, ""},
		{"by its other name", us, host, []string{"0 issue alias.example"}, Allowed, ""},
		{"in upper case", us, host, []string{"0 issue US.Example"}, Allowed, ""},
		{"the tag in upper case", us, host, []string{"0 ISSUE us.example"}, Allowed, ""},
		{"blanks around it", us, host, []string{"0 issue  \tus.example \t"}, Allowed, ""},
		{"a semicolon after it", us, host, []string{"0 issue us.example;"}, Allowed, ""},
		{"a semicolon and blanks", us, host, []string{"0 issue us.example ; "}, Allowed, ""},
		{"another CA", us, host, []string{"0 issue them.example"}, Forbidden, `example.com. CAA 0 issue "them.example" does not name it (us.example, alias.example)`},
		{"another and us", us, host, []string{"0 issue them.example", "0 issue us.example"}, Allowed, ""},
		{"two others", us, host, []string{"0 issue a.example", "0 issue b.example"}, Forbidden, `"a.example", example.com. CAA 0 issue "b.example" do not name it`},
		{"a name that ends like ours", us, host, []string{"0 issue notus.example"}, Forbidden, "does not name it"},
		{"a name below ours", us, host, []string{"0 issue x.us.example"}, Forbidden, "does not name it"},
		{"nobody", us, host, []string{"0 issue ;"}, Forbidden, `nobody may issue by example.com. CAA 0 issue ";"`},
		{"nobody, empty", us, host, []string{"0 issue "}, Forbidden, "nobody may issue"},
		{"nobody, and us", us, host, []string{"0 issue ;", "0 issue us.example"}, Allowed, ""},
		{"malformed names nobody", us, host, []string{"0 issue %%%%%"}, Forbidden, "nobody may issue"},
		{"malformed domain", us, host, []string{"0 issue us..example"}, Forbidden, "nobody may issue"},
		{"malformed parameter", us, host, []string{"0 issue us.example; nonsense"}, Forbidden, "nobody may issue"},
		{"malformed end", us, host, []string{"0 issue us.example; a=b;"}, Forbidden, "nobody may issue"},
		{"a blank in a parameter", us, host, []string{"0 issue us.example; a=b c"}, Forbidden, "nobody may issue"},
		{"only iodef", us, host, []string{"0 iodef mailto:a@example.com"}, Allowed, ""},
		{"only issuewild, plain name", us, host, []string{"0 issuewild them.example"}, Allowed, ""},
		{"issuewild of nobody, plain name", us, host, []string{"0 issuewild ;"}, Allowed, ""},
		{"wildcard by issue", us, wild, []string{"0 issue us.example"}, Allowed, ""},
		{"wildcard by another's issue", us, wild, []string{"0 issue them.example"}, Forbidden, "issue"},
		{"wildcard by issuewild", us, wild, []string{"0 issue them.example", "0 issuewild us.example"}, Allowed, ""},
		{"issuewild over issue", us, wild, []string{"0 issue us.example", "0 issuewild them.example"}, Forbidden, `0 issuewild "them.example" does not`},
		{"no wildcards", us, wild, []string{"0 issue us.example", "0 issuewild ;"}, Forbidden, "nobody may issue"},
		{"no wildcards, plain name", us, host, []string{"0 issue us.example", "0 issuewild ;"}, Allowed, ""},
		{"unknown and critical", us, host, []string{"128 tbs x", "0 issue us.example"}, Forbidden, `example.com. CAA 128 tbs "x" is critical`},
		{"unknown and not critical", us, host, []string{"0 tbs x"}, Allowed, ""},
		{"the lowest bit is not the critical one", us, host, []string{"1 tbs x", "0 issue us.example"}, Allowed, ""},
		{"known and critical", us, host, []string{"128 issue us.example"}, Allowed, ""},
		{"another and critical", us, host, []string{"128 issue them.example"}, Forbidden, "does not name it"},
		{"critical issuemail", us, host, []string{"128 issuemail them.example"}, Allowed, ""},
		{"critical iodef", us, host, []string{"128 iodef mailto:a@example.com"}, Allowed, ""},
		{"unknown and critical for an unknown CA", nameless, host, []string{"128 tbs x"}, Forbidden, "critical"},
		{"our account", us, host, []string{"0 issue us.example; accounturi=" + account}, Allowed, ""},
		{"another account", us, host, []string{"0 issue us.example; accounturi=" + account + "2"}, Forbidden, "allows only the account " + account + "2, and ours is " + account},
		{"account in another case", us, host, []string{"0 issue us.example; accounturi=" + strings.ToUpper(account)}, Forbidden, "allows only the account"},
		{"no account yet", noAccount, host, []string{"0 issue us.example; accounturi=" + account}, Forbidden, "there is no account in the state yet"},
		{"two accounts", us, host, []string{"0 issue us.example; accounturi=" + account + "; accounturi=" + account}, Forbidden, "accounturi twice"},
		{"another's account, then ours", us, host, []string{"0 issue us.example; accounturi=x", "0 issue us.example; accounturi=" + account}, Allowed, ""},
		{"account of another CA", us, host, []string{"0 issue them.example; accounturi=" + account}, Forbidden, "does not name it"},
		{"our method", us, host, []string{"0 issue us.example; validationmethods=dns-01"}, Allowed, ""},
		{"among others", us, host, []string{"0 issue us.example; validationmethods=http-01,dns-01"}, Allowed, ""},
		{"another method", us, host, []string{"0 issue us.example; validationmethods=http-01"}, Forbidden, "allows the methods http-01 and not dns-01"},
		{"a method that begins like ours", us, host, []string{"0 issue us.example; validationmethods=dns-01x"}, Forbidden, "not dns-01"},
		{"two methods parameters", us, host, []string{"0 issue us.example; validationmethods=dns-01; validationmethods=dns-01"}, Forbidden, "validationmethods twice"},
		{"account and method", us, host, []string{"0 issue us.example; accounturi=" + account + " ; validationmethods = dns-01"}, Allowed, ""},
		{"account and wrong method", us, host, []string{"0 issue us.example; accounturi=" + account + "; validationmethods=tls-alpn-01"}, Forbidden, "tls-alpn-01"},
		{"an unknown parameter", us, host, []string{"0 issue us.example; policy=ev"}, Allowed, ""},
		{"wildcard, method of issuewild", us, wild, []string{"0 issue us.example", "0 issuewild us.example; validationmethods=http-01"}, Forbidden, "http-01"},
		{"a CA of unknown names", nameless, host, []string{"0 issue them.example"}, Unknown, "them.example"},
		{"a CA of unknown names, nobody may", nameless, host, []string{"0 issue ;"}, Forbidden, "nobody may"},
		{"a CA of unknown names, no record", nameless, host, nil, Allowed, ""},
	} {
		var set []CAA
		for _, r := range c.records {
			p := strings.SplitN(r, " ", 3)
			set = append(set, CAA{"example.com.", map[string]uint8{"0": 0, "1": 1, "128": 128}[p[0]], p[1], p[2]})
		}
		v, why := MayIssue(c.issuer, c.name, set)
		if v != c.want || !strings.Contains(why, c.why) || v == Allowed && why != "" {
			t.Errorf("%s: %s %q, want %s %q", c.what, v, why, c.want, c.why)
		}
	}
}
