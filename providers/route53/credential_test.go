package route53_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/route53"
	"github.com/certform/certform/providers/route53/route53test"
)

const (
	role      = "arn:aws:iam::123456789012:role/dns"
	roleKeyID = "ASIAIOSFODNN7EXAMPLE"
)

// tokens is the Security Token Service before Route 53: one key may take on one
// role.
type tokens struct {
	http.Handler
	asked int
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	auth := r.Header.Get("Authorization")
	if !strings.Contains(auth, "/sts/aws4_request") {
		if strings.Contains(auth, roleKeyID) != (r.Header.Get("X-Amz-Security-Token") == "role-token") {
			http.Error(w, "a role's key goes with its token", http.StatusForbidden)
			return
		}
		s.Handler.ServeHTTP(w, r)
		return
	}
	s.asked++
	w.Header().Set("Content-Type", "text/xml")
	if !strings.Contains(auth, "Credential="+keyID+"/") || r.FormValue("Action") != "AssumeRole" || r.FormValue("RoleArn") != role {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code>`+
			`<Message>User is not authorized on resource: %s</Message></Error><RequestId>test</RequestId></ErrorResponse>`, r.FormValue("RoleArn"))
		return
	}
	fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>`+
		`<AssumedRoleUser><AssumedRoleId>AROA:certform</AssumedRoleId><Arn>%s/certform</Arn></AssumedRoleUser>`+
		`<Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>canary-role</SecretAccessKey><SessionToken>role-token</SessionToken>`+
		`<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, role, roleKeyID)
}

// Credentials are those of the key, of a role that the key takes on, or of a
// profile.
func TestCredentials(t *testing.T) {
	home := t.TempDir()
	files := map[string]string{
		"config":      "[profile prod]\nregion = eu-central-1\n",
		"credentials": "[prod]\naws_access_key_id = " + keyID + "\naws_secret_access_key = canary-secret-key\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, c := range []struct {
		about string
		needs string // the key that may change the zone
		spec  route53.Spec
		asked int // how often for a role
		err   string
	}{
		{about: "a key", needs: keyID, spec: route53.Spec{AccessKeyID: keyID, SecretAccessKey: block.NewSecret("env:S")}},
		{about: "a role of a key", needs: roleKeyID, asked: 1,
			spec: route53.Spec{AccessKeyID: keyID, SecretAccessKey: block.NewSecret("env:S"), AssumeRoleARN: role}},
		{about: "a profile", needs: keyID, spec: route53.Spec{Profile: "prod"}},
		{about: "a role of a profile", needs: roleKeyID, asked: 1, spec: route53.Spec{Profile: "prod", AssumeRoleARN: role}},
		{about: "a role that may not be taken on", needs: roleKeyID, asked: 1,
			spec: route53.Spec{Profile: "prod", AssumeRoleARN: role + "2"}, err: "the credential lacks the right sts:AssumeRole"},
		{about: "no such profile", spec: route53.Spec{Profile: "test"}, err: "failed to get shared config profile, test"},
	} {
		t.Run(c.about, func(t *testing.T) {
			n := dnstest.New()
			t.Cleanup(func() { n.Close() })
			fake := route53test.New(n, route53test.Config{KeyID: c.needs})
			fake.AddZone("ZPUBLIC", "example.com", false, n.AddZone("example.com"))
			front := &tokens{Handler: fake}
			c.spec.EndpointURL, c.spec.MaxRetries = serve(t, front), 1
			if p := c.spec.Check(); len(p) > 0 {
				t.Fatal(p)
			}
			p, err := c.spec.Open(t.Context(), opener())
			for _, v := range []string{"one", "two"} {
				if err == nil {
					err = p.(providers.Changer).Change(t.Context(), "example.com.", one("x", v), nil)
				}
			}
			if front.asked != c.asked {
				t.Errorf("a role was asked for %d times, want %d", front.asked, c.asked)
			}
			if c.err == "" {
				if got := fake.TXT("x.example.com"); err != nil || !slices.Equal(got, []string{"one", "two"}) {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "canary") {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if _, again := world.RetryAt(err); again && c.asked > 0 {
				t.Error("it would be tried again")
			}
		})
	}
}
