package config

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/secret"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// redacted are the sources with everything blotted out that may be a secret
// in plain text: diagnostics quote the lines they speak of, and not only those
// that are about the secret. Offsets stay as they are.
func (l *loader) redacted(diags hcl.Diagnostics) map[string]*hcl.File {
	out := make(map[string]*hcl.File, len(l.files))
	for name, f := range l.files {
		out[name] = f
	}
	plain := map[string][]hcl.Range{}
	for _, d := range diags {
		if d.Subject == nil {
			continue
		}
		name := d.Subject.Filename
		plain[name] = append(plain[name], plainRange(d)...)
	}
	for name, ranges := range plain {
		f := out[name]
		if f == nil {
			continue
		}
		copied := *f
		copied.Bytes = slices.Clone(f.Bytes)
		for _, m := range urlPassword.FindAllSubmatchIndex(copied.Bytes, -1) {
			blot(copied.Bytes[m[2]:m[3]])
		}
		if strings.HasSuffix(name, ".json") {
			blotJSON(copied.Bytes, ranges)
		} else {
			blotHCL(copied.Bytes, name, ranges)
		}
		out[name] = &copied
	}
	return out
}

func plainRange(d *hcl.Diagnostic) []hcl.Range {
	p, ok := d.Extra.(block.PlainText)
	switch {
	case !ok:
		return nil
	case p.Expr != nil:
		return []hcl.Range{p.Expr.Range()}
	}
	return []hcl.Range{*d.Subject}
}

// secretName reports whether a value beside this name is a secret's place, or
// would be if the name were spelt right.
func secretName(name string) bool {
	name = strings.ToLower(name)
	if name == "reuse_key" {
		return false
	}
	return block.LooksSecret(name) || strings.Contains(name, "secret") || slices.ContainsFunc(strings.Split(name, "_"), nearlySecret)
}

// nearlySecret reports whether a word is a secret's with a letter too many, too
// few, or wrong, or with letters that changed places.
func nearlySecret(word string) bool {
	for _, w := range []string{"token", "secret", "password", "passwd", "passphrase", "credential", "credentials"} {
		if levenshtein.Distance(word, w, nil) <= 1 || sorted(word) == sorted(w) {
			return true
		}
	}
	return false
}

func sorted(word string) string { return string(slices.Sorted(slices.Values([]byte(word)))) }

// isReference reports whether a literal begins as a reference to a secret
// does: it is no secret itself.
func isReference(text string) bool {
	scheme, _, ok := strings.Cut(text, ":")
	return ok && slices.Contains(secret.Schemes(), scheme)
}

// blotHCL overwrites literals in the ranges, in the values of what is named
// like a secret, and in calls of secret(). It works on tokens, so that a file
// that cannot be parsed is treated in the same way. A reference such as
// var.token stays readable, and so does "env:TOKEN".
func blotHCL(text []byte, name string, ranges []hcl.Range) {
	tokens, _ := hclsyntax.LexConfig(slices.Clone(text), name, hcl.InitialPos)
	objects := []bool{false} // for each open brace: a value, not the body of a block
	plain := sweep(ranges)
	for i, t := range tokens {
		if plain(t.Range.Start.Byte, t.Range.End.Byte) {
			blotToken(text, t, false)
		}
		switch t.Type {
		case hclsyntax.TokenOBrace:
			objects = append(objects, i > 0 && !opensBody(tokens[i-1].Type))
		case hclsyntax.TokenCBrace:
			if len(objects) > 1 {
				objects = objects[:len(objects)-1]
			}
		case hclsyntax.TokenOParen:
			if i > 0 && string(tokens[i-1].Bytes) == "secret" {
				blotValue(text, tokens[i+1:])
			}
		case hclsyntax.TokenEqual, hclsyntax.TokenColon:
			key := before(tokens[:i])
			// Maps have keys called key; there it is no secret's name.
			if secretName(key) && !(key == "key" && objects[len(objects)-1]) {
				blotValue(text, tokens[i+1:])
			}
		}
	}
}

// sweep answers whether from..to touches one of the ranges, for spans that are
// asked about in their order.
func sweep(ranges []hcl.Range) func(from, to int) bool {
	slices.SortFunc(ranges, func(a, b hcl.Range) int { return cmp.Compare(a.Start.Byte, b.Start.Byte) })
	next, end := 0, -1
	return func(from, to int) bool {
		for ; next < len(ranges) && ranges[next].Start.Byte < to; next++ {
			end = max(end, ranges[next].End.Byte)
		}
		return from < end
	}
}

func opensBody(t hclsyntax.TokenType) bool {
	return t == hclsyntax.TokenIdent || t == hclsyntax.TokenCQuote
}

// before is the name that a value is given to.
func before(tokens hclsyntax.Tokens) string {
	n := len(tokens)
	switch {
	case n > 0 && tokens[n-1].Type == hclsyntax.TokenIdent:
		return string(tokens[n-1].Bytes)
	case n > 1 && tokens[n-1].Type == hclsyntax.TokenCQuote:
		return string(tokens[n-2].Bytes)
	}
	return ""
}

// blotValue overwrites the literals from here to the end of the value. A
// single word is one, too: somebody forgot the quotes.
func blotValue(text []byte, tokens hclsyntax.Tokens) {
	depth, n := 0, 0
loop:
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenEOF:
			break loop
		case hclsyntax.TokenNewline, hclsyntax.TokenComma:
			if depth == 0 {
				break loop
			}
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
			if depth--; depth < 0 {
				break loop
			}
		}
		n++
	}
	for _, t := range tokens[:n] {
		blotToken(text, t, n == 1)
	}
}

func blotToken(text []byte, t hclsyntax.Token, word bool) {
	switch t.Type {
	case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenNumberLit:
	case hclsyntax.TokenIdent:
		if w := string(t.Bytes); !word || w == "true" || w == "false" || w == "null" {
			return
		}
	default:
		return
	}
	if isReference(string(t.Bytes)) {
		return
	}
	blot(text[t.Range.Start.Byte:t.Range.End.Byte])
}

func blot(text []byte) {
	for i, c := range text {
		if c != '\n' && c != '\r' {
			text[i] = '*'
		}
	}
}

// urlPassword is what stands before the host of a URL beside a name.
var urlPassword = regexp.MustCompile(`://[^/?#"\s:@]*:([^/?#"\s@]+)@`)

var (
	jsonText  = regexp.MustCompile(`"((?:[^"\\\n]|\\.)*)`)
	jsonPair  = regexp.MustCompile(`^"((?:[^"\\\n]|\\.)*)"\s*:\s*"((?:[^"\\\n]|\\.)*)`)
	jsonQuote = regexp.MustCompile(`\\"((?:[^"\\]|\\[^"])*)\\"`)
)

// blotJSON does the same in JSON, whose texts hold expressions with quotes of
// their own. Positions inside them are not exact, so a text is taken whole.
func blotJSON(text []byte, ranges []hcl.Range) {
	// The closing quote of one text is taken for the opening quote of what is
	// between it and the next, so pairs and texts are found one by one.
	plain := sweep(ranges)
	for at := 0; at < len(text); {
		m := jsonText.FindSubmatchIndex(text[at:])
		if m == nil {
			break
		}
		from, to := at+m[2], at+m[3]
		if plain(from-1, to+1) {
			blotJSONText(text[from:to])
		}
		if p := jsonPair.FindSubmatchIndex(text[at+m[0]:]); p != nil && secretName(string(text[from:to])) {
			blotJSONText(text[at+m[0]+p[4] : at+m[0]+p[5]])
		}
		at = to + 1
	}
}

// blotJSONText overwrites a text, or only what is quoted in it if it is an
// expression.
func blotJSONText(text []byte) {
	s := string(text)
	if isReference(s) {
		return
	}
	if !strings.HasPrefix(s, "${") || !strings.HasSuffix(s, "}") {
		blot(text)
		return
	}
	for _, m := range jsonQuote.FindAllSubmatchIndex(text, -1) {
		if !isReference(s[m[2]:m[3]]) {
			blot(text[m[2]:m[3]])
		}
	}
}
