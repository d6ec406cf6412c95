package catalogue

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

func init() { fakes["transip"] = transipFake }

// rsaKey is a new key and its PKCS#8 form as PEM.
func rsaKey() (*rsa.PrivateKey, string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// transipFake is the API of TransIP, version 6: records have no id, and are
// deleted by name, type, value and TTL.
func transipFake() fake {
	h := &held{zone: "example.com"}
	key, text := rsaKey()
	type record struct {
		Name    string `json:"name"`
		Expire  int    `json:"expire"`
		Type    string `json:"type"`
		Content string `json:"content"`
	}
	answer := func(k kept) record { return record{k.Name, k.TTL, k.Type, k.Val} }
	token := fmt.Sprintf("e30.%s.sig", base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, time.Now().Add(time.Hour).Unix())))
	return h.fake(map[string]string{"login": "user", "private_key": text, "base_uri": "%URL%/v6/"}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var in struct {
			Entry record `json:"dnsEntry"`
		}
		json.Unmarshal(body, &in)
		dns := r.URL.Path == "/v6/domains/example.com/dns"
		switch {
		case r.URL.Path == "/v6/auth":
			sum := sha512.Sum512(body)
			sig, _ := base64.StdEncoding.DecodeString(r.Header.Get("signature"))
			if rsa.VerifyPKCS1v15(key.Public().(*rsa.PublicKey), crypto.SHA512, sum[:], sig) != nil || !strings.Contains(string(body), `"read_only":false`) {
				refuse(w, http.StatusUnauthorized, "invalid signature")
				return
			}
			replyJSON(w, object{"token": token})
		case r.Header.Get("authorization") != "Bearer "+token:
			refuse(w, http.StatusUnauthorized, "invalid token")
		case dns && r.Method == "GET":
			all := []record{}
			for _, k := range h.all {
				all = append(all, answer(k))
			}
			replyJSON(w, object{"dnsEntries": all})
		case dns && r.Method == "POST":
			h.add(in.Entry.Name, in.Entry.Type, in.Entry.Content, in.Entry.Expire)
			replyJSON(w, object{})
		case dns && r.Method == "DELETE":
			at := slices.IndexFunc(h.all, func(k kept) bool { return answer(k) == in.Entry })
			if at < 0 {
				refuse(w, http.StatusNotFound, "entry not found")
				return
			}
			h.all = slices.Delete(h.all, at, at+1)
			replyJSON(w, object{})
		default:
			refuse(w, http.StatusNotFound, "not found")
		}
	})
}
