package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/config"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/net/publicsuffix"
)

// configuration is a first configuration, with what may be changed in it said
// beside it. It passes validate for every kind of provider.
func (a answers) configuration() (string, error) {
	name, err := cert.ParseDNS(a.name)
	if err != nil {
		return "", err
	}
	dns, err := a.provider(name)
	if err != nil {
		return "", err
	}
	names := []string{name.Base(), "*." + name.Base()}
	if !name.Wildcard() {
		names = names[:1]
	}
	text := fmt.Sprintf(`# The certificates of %[1]s. "certform plan" shows what would be done,
# "certform apply" does it, "certform run" keeps it so.

# Who signs.
issuer "acme" "main" {
%[2]s}

# What the DNS is hosted by: names are proven by TXT records there. A secret is
# said by where it is: "env:NAME", "file:PATH", "vault:MOUNT/PATH#FIELD" or
# "exec:PROGRAM ARG...". "certform providers %[3]s" tells all arguments.
%[4]s
# Where certificates must be. "certform sinks" tells of other places.
sink "file" "web" {
  directory = %[5]s

  # What makes the service read them again:
  # reload = ["systemctl", "reload", "nginx"]

  # The proof: apply is done when every address of every host serves it. Take
  # the # away once there is a server.
  # endpoint {}
}

# What is wanted.
certificate %[6]s {
  names = [%[7]s]
  sinks = [sink.file.web]
}
`, name.Base(), a.issuer(), a.dns, dns, text(a.directory), text(label(name.Base())), strings.Join(texts(names), ", "))
	return string(hclwrite.Format([]byte(text))), nil
}

func text(s string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
}

func texts(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = text(s)
	}
	return out
}

// label is the first label of a name, as a block's name.
func label(name string) string {
	first, _, _ := strings.Cut(name, ".")
	return first
}

// issuer is the inside of the issuer block.
func (a answers) issuer() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  directory = %s\n", text(a.ca))
	if a.email != "" {
		fmt.Fprintf(&b, "  email = %s\n", text(a.email))
	}
	i := slices.IndexFunc(config.CAs, func(ca config.CA) bool { return ca.Name == a.ca || ca.Directory == a.ca })
	if i >= 0 && config.CAs[i].EAB {
		b.WriteString("  # This CA binds accounts to its customers: it gives you these two.\n")
		b.WriteString("  eab_kid = \"key-identifier\"" + yours + "\n  eab_hmac_key = secret(\"env:EAB_HMAC_KEY\")\n")
	}
	if u, err := url.Parse(a.ca); i < 0 && err == nil && u.Host != "" {
		b.WriteString("  # Where the CA's own HTTPS is signed by a private root:\n  # ca_file = \"root.pem\"\n")
	}
	return b.String()
}

// provider is the dns block: the example of its kind, for the zone that name
// is most likely in.
func (a answers) provider(name cert.Name) (string, error) {
	for _, k := range providerKinds() {
		if k.Name != a.dns {
			continue
		}
		f, diags := hclwrite.ParseConfig([]byte(k.Example), a.dns, hcl.InitialPos)
		if diags.HasErrors() || len(f.Body().Blocks()) == 0 {
			return "", fmt.Errorf("the example of %s cannot be read: %w", a.dns, diags)
		}
		block := f.Body().Blocks()[0]
		block.SetLabels([]string{a.dns, "main"})
		block.Body().SetAttributeValue("zones", cty.ListVal([]cty.Value{cty.StringVal(zoneOf(name))}))
		return marked(block.Body(), strings.ReplaceAll(string(f.Bytes()), "example.com", zoneOf(name)), text(zoneOf(name))), nil
	}
	return "", fmt.Errorf("there is no DNS provider %q", a.dns)
}

// yours marks what only looks as if it were known.
const yours = " # an example: say yours"

// marked is the text of a block with a mark at each value of the example that
// is the user's to say. Secrets say where they are, and the zone is known.
func marked(body *hclwrite.Body, text, zone string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		name = strings.TrimSpace(name)
		if ok && name != "zones" && body.GetAttribute(name) != nil && !strings.Contains(value, "secret(") && strings.TrimSpace(value) != zone {
			lines[i] += yours
		}
	}
	return strings.Join(lines, "\n")
}

// zoneOf is the registered domain that a name is in, or the name itself.
func zoneOf(name cert.Name) string {
	if zone, err := publicsuffix.EffectiveTLDPlusOne(name.Base()); err == nil {
		return zone
	}
	return name.Base()
}
