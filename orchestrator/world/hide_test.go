package world_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/world"
)

// What a program of the user's says is shown and kept: no secret may be in it,
// in whatever form the program found it.
func TestHide(t *testing.T) {
	const canary, other = "canary-c4n4ry-value", "another-0ther-value"
	t.Setenv("SOME_API_TOKEN", other)
	w := &world.World{Secret: func(context.Context, string) (string, error) { return canary, nil }}
	if _, err := w.Resolve(t.Context(), "env:X"); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	body := strings.Split(text, "\n")[1]
	file := filepath.Join(t.TempDir(), "privkey.pem")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	forms := []string{canary, other, base64.StdEncoding.EncodeToString([]byte(canary)), hex.EncodeToString([]byte(canary)),
		strings.ToUpper(hex.EncodeToString([]byte(other))), body, body[8:40]}
	for name, script := range map[string]string{
		"a key":                         "cat " + file,
		"a key without its first line":  "tail -n +2 " + file,
		"a key that is cut":             "head -n 2 " + file,
		"a key beyond what is kept":     "cat " + file + "; head -c 4000 /dev/zero | tr '\\0' x",
		"what was resolved":             "echo a " + canary + " b",
		"the same as hex and as base64": "echo " + forms[2] + " " + forms[3],
		"the environment":               "env; echo " + forms[4],
	} {
		t.Run(name, func(t *testing.T) {
			out, err := w.Run(t.Context(), []string{"/bin/sh", "-c", "echo before; (" + script + ") >&2; exit 3"})
			if err == nil || !strings.Contains(err.Error(), "exit status 3") {
				t.Fatalf("%v", err)
			}
			for _, form := range forms {
				if strings.Contains(string(out)+err.Error(), form) {
					t.Errorf("%q is in\n%s\n%v", form, out, err)
				}
			}
			if name != "a key beyond what is kept" && !strings.Contains(err.Error(), "before") {
				t.Errorf("nothing is left of what it said: %v", err)
			}
		})
	}
}
