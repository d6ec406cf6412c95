package file_test

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/file"
	"github.com/certform/certform/sinks/sinktest"
)

// first is the file by which a layout is read first.
func (b *bench) first(s *file.Spec) string {
	if s.Directory != "" {
		return filepath.Join(s.Directory, "fullchain.pem")
	}
	return s.Paths()[0]
}

// foreigners are files that somebody may put where one of ours should be.
func foreigners(t *testing.T) map[string][]byte {
	t.Helper()
	theirs := sinktest.NewCA(t).Bundle(sinktest.Order{Names: []string{"example.com"}})
	combined, err := theirs.CombinedPEM()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := pkcs12.Modern.Encode(theirs.Key().Signer(), theirs.Chain.Leaf(), nil, "theirs")
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{theirs.Chain.Leaf()}, password)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"a pair": combined, "a certificate as DER": theirs.Chain.Leaf().Raw, "an archive": archive,
		"a trust store that our password opens": trusted, "text": []byte("notes\n"), "nothing": {},
	}
}

// Whatever somebody puts there after the look is not written over.
func TestWhatCameAfterTheLook(t *testing.T) {
	t.Parallel()
	for _, l := range layouts {
		for what, data := range foreigners(t) {
			for _, before := range []string{"nothing", "ours"} {
				t.Run(l.name+", "+what+" where "+before+" was", func(t *testing.T) {
					t.Parallel()
					b := newBench(t)
					s := l.spec(b, "site")
					var was sinks.Held
					if before == "ours" {
						b.renew(s, 1)
						var err error
						was, err = b.look(s)
						b.must(err)
					}
					b.must(os.MkdirAll(filepath.Dir(b.first(s)), 0o755))
					b.must(os.WriteFile(b.first(s), data, 0o644))
					if held, err := b.put(s, sinktest.Bundle(t, "example.com"), was); !errors.Is(err, sinks.ErrChanged) {
						t.Errorf("put: %+v, %v; want ErrChanged", held, err)
					}
					b.text(b.first(s), string(data))
				})
			}
		}
	}
}

// What is somebody's is told from what is ours and has gone bad.
func TestWhoseItIs(t *testing.T) {
	t.Parallel()
	files := foreigners(t)
	files["half an archive"] = files["an archive"][:200]
	files["an archive as BER"] = []byte{0x30, 0x80, 0x02, 0x01, 0x03, 0x30, 0x80, 0x06}
	for _, l := range layouts {
		for what, theirs := range map[string]bool{
			"a pair": true, "a certificate as DER": true, "an archive": true, "an archive as BER": true,
			"a trust store that our password opens": true, "text": false, "nothing": false, "half an archive": false,
		} {
			b := newBench(t)
			s := l.spec(b, "site")
			b.renew(s, 1)
			b.must(os.WriteFile(b.first(s), files[what], 0o644))
			held, err := b.look(s)
			if err != nil || (held.Leaf != "" || held.Strange) != theirs {
				t.Errorf("%s, %s: %+v, %v", l.name, what, held, err)
			}
		}
	}
}
