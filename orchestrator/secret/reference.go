package secret

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The schemes.
const (
	byEnv   = "env"
	byFile  = "file"
	byVault = "vault"
	byExec  = "exec"
)

// Schemes lists what a reference may begin with.
func Schemes() []string { return []string{byEnv, byFile, byVault, byExec} }

// forms shows how each is written.
const forms = "env:NAME, file:PATH, vault:MOUNT/PATH#FIELD or exec:PROGRAM ARGUMENTS"

// target is a reference that was understood.
type target struct {
	scheme string
	name   string   // of the variable, the file, the secret below its mount
	mount  string   // of a Vault secret
	field  string   // of a Vault secret
	argv   []string // of a program
}

// Check says what is wrong with a reference without resolving it; nil if it
// can be understood. A text without a known scheme is not repeated: it may be
// a secret that somebody wrote out.
func Check(ref string) error {
	_, err := parse(ref)
	return err
}

func parse(ref string) (target, error) {
	scheme, rest, ok := strings.Cut(ref, ":")
	if !ok || !slices.Contains(Schemes(), scheme) {
		return target{}, fmt.Errorf("this is no reference to a secret; one is written %s", forms)
	}
	wrong := func(what string) (target, error) {
		return target{}, fmt.Errorf("secret %q: %s; a reference is written %s", ref, what, forms)
	}
	t := target{scheme: scheme, name: rest}
	if strings.TrimSpace(rest) == "" {
		return wrong("it does not say which secret is meant")
	}
	if strings.ContainsAny(rest, "\x00\n\r") {
		return wrong("it holds a line break or a NUL")
	}
	switch scheme {
	case byEnv:
		if strings.ContainsAny(rest, "= \t") {
			return wrong("that is no name of an environment variable")
		}
	case byVault:
		path, field, _ := strings.Cut(rest, "#")
		mount, name, _ := strings.Cut(strings.Trim(path, "/"), "/")
		if field == "" {
			return wrong("#FIELD is missing")
		}
		if mount == "" || name == "" {
			return wrong("it needs a mount and a path")
		}
		if slices.ContainsFunc(strings.Split(name, "/"), func(s string) bool { return s == "" || s == "." || s == ".." }) {
			return wrong("a part of the path is empty or made of dots")
		}
		t.mount, t.name, t.field = mount, name, field
	case byExec:
		argv, err := split(rest)
		if err != nil {
			return wrong(err.Error())
		}
		if argv[0] == "" {
			return wrong("the program has no name")
		}
		t.argv = argv
	}
	return t, nil
}

// split makes words of a line as a shell does with spaces, quotes and
// backslashes, and nothing else: no variables, no patterns, no operators.
func split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	quote := rune(0)
	escaped := false
	for _, c := range line {
		switch {
		case escaped:
			if quote == '"' && c != '"' && c != '\\' {
				word.WriteByte('\\')
			}
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteRune(c)
			}
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	switch {
	case quote != 0:
		return nil, fmt.Errorf("a quote (%c) is not closed", quote)
	case escaped:
		return nil, errors.New("it ends with a backslash")
	case inWord:
		words = append(words, word.String())
	}
	return words, nil
}
