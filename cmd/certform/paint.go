package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// The few colours of a terminal that certform uses (ECMA-48 SGR).
const (
	bold   = "1;"
	dim    = "2;"
	red    = "31;"
	green  = "32;"
	yellow = "33;"
	cyan   = "36;"
)

// terminal reports whether w is a terminal that may be drawn on.
func (o *options) terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && !o.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// asks reports whether somebody sits at a terminal and can be asked.
func (o *options) asks() bool {
	f, ok := o.in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// paint colours s for standard error, where people read.
func (o *options) paint(sgr, s string) string { return o.paintFor(o.errs, sgr, s) }

func (o *options) paintFor(w io.Writer, sgr, s string) string {
	if sgr == "" || !o.terminal(w) {
		return s
	}
	return "\x1b[" + sgr[:len(sgr)-1] + "m" + s + "\x1b[0m"
}

// plainGlyphs are what stands for the characters that certform draws with
// where only ASCII may be written.
var plainGlyphs = strings.NewReplacer("✓", "=", "✗", "x", "↻", "@", "»", ">", "→", ">", "…", "...", "█", "#", "░", ".", "·", "-")

// glyph is s as it may be written here.
func (o *options) glyph(s string) string {
	if o.ascii() {
		return plainGlyphs.Replace(s)
	}
	return s
}

// ascii reports whether people's eyes get ASCII only: by -no-color, on a dumb
// terminal, and where the locale is said and is no UTF-8.
func (o *options) ascii() bool {
	if o.noColor || os.Getenv("TERM") == "dumb" {
		return true
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToUpper(os.Getenv(name)); v != "" {
			return !strings.Contains(v, "UTF-8") && !strings.Contains(v, "UTF8")
		}
	}
	return false
}

// width is how many columns w has, 80 where it is no terminal.
func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 20 {
			return n
		}
	}
	return 80
}
