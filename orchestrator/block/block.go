// Package block is how a labelled HCL block becomes a typed Go value.
//
// A kind of sink, provider or issuer describes its arguments by a struct with
// tags; the same tags feed the decoder, the diagnostics, `certform sinks NAME`
// and the reference in docs. Which blocks exist and what they refer to is
// left to config.
//
//	type Spec struct {
//		Path  string        `arg:"path,required" doc:"Where in the mount."`
//		Mount string        `arg:"mount" default:"secret" doc:"The KV v2 mount."`
//		Token block.Secret  `arg:"token" doc:"A token that may write there."`
//		Wait  time.Duration `arg:"wait" default:"30s" doc:"..."`
//	}
//
// Field types: string, int, bool, float64, time.Duration (written "1m"),
// []string, map[string]string, Secret and map[string]Secret. A struct without arg tags is read
// by its json tags, as the libdns providers have them.
package block

// Problem is something wrong with a decoded block beyond the types of its
// arguments. Config turns it into a diagnostic at the argument's range.
type Problem struct {
	Argument string // "" for the block itself
	Summary  string // a few words: "Two ways to say where"
	Detail   string // a sentence, and what would be right
}

// Argument describes one argument of a kind, for people.
type Argument struct {
	Name     string
	Type     string // string, number, bool, duration, list of string, map of string, secret, map of secret
	Required bool
	Secret   bool
	Default  string
	Doc      string
}
