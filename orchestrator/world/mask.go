package world

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Mask replaces secrets in every form in which an error may quote them, the
// longest first. A secret of several parts (name:key) may be quoted in part.
// beside are texts that are no secrets, of which one may be the user of HTTP's
// basic authentication.
func Mask(secrets, beside []string) *strings.Replacer {
	var forms []string
	add := func(s string) {
		quoted := strconv.Quote(s)
		forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s), quoted[1:len(quoted)-1])
	}
	for _, s := range secrets {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		add(s)
		// A host may say back the header that it was sent (RFC 7617).
		for _, user := range slices.Concat(beside, secrets, []string{""}) {
			forms = append(forms, base64.StdEncoding.EncodeToString([]byte(strings.TrimSpace(user)+":"+s)))
		}
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(s)), base64.StdEncoding.EncodeToString([]byte(s+":")))
		for _, f := range []string{hex.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)), base64.RawStdEncoding.EncodeToString([]byte(s))} {
			if len(f) >= 16 { // shorter ones may be anything
				forms = append(forms, f, strings.ToUpper(f))
			}
		}
		for _, part := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(":,; \n", r) }) {
			if len(part) >= 12 {
				add(part)
			}
		}
	}
	slices.SortStableFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, f := range slices.Compact(forms) {
		if f != "" {
			pairs = append(pairs, f, "(secret)")
		}
	}
	return strings.NewReplacer(pairs...)
}
