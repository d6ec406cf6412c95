package config

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/certform/certform/sinks"
	"github.com/hashicorp/hcl/v2"
)

// findClashes reports what is wrong only with two blocks together.
func (l *loader) findClashes(c *Config) {
	l.clashingNames()
	l.clashingTargets()
	l.clashingEndpoints()
	l.clashingZones()
}

func (l *loader) clashingNames() {
	seen := make(map[string]*built, len(l.built))
	for _, u := range l.built {
		if old := seen[u.Name]; old != nil {
			l.report.error(u.Address, u.Range, "Two certificates with one name", "%s (%s) and %s are both called %s, and names become paths.", old.Address, old.Range, u.Address, u.Name)
			continue
		}
		seen[u.Name] = u
	}
}

// writer is a place and the certificate it is of.
type writer struct {
	u *built
	p *builtPlace
}

// clashingTargets finds what two places would write. The second would
// overwrite the first at every run.
func (l *loader) clashingTargets() {
	seen := make(map[string]writer, len(l.built))
	files := files{seen: map[string]writer{}, real: map[string]string{}}
	for _, u := range l.built {
		for _, p := range u.places {
			w := writer{u, p}
			if p.Target == "" {
				continue
			}
			if old, taken := seen[p.Target]; taken {
				l.clash(old, w, p.Target)
				continue
			}
			seen[p.Target] = w
			if old, path := files.taken(w); path != "" {
				l.clash(old, w, path)
			}
		}
	}
}

func (l *loader) clash(old, w writer, what string) {
	body := w.p.sink.sink.spec.all
	at := body.Range(body.Holding(w.p.spec, what))
	if old.u == w.u {
		l.report.error(w.u.Address, at, "Two places write one target", "%s would be written by %s and by %s, both for %s.", what, old.p.ID, w.p.ID, w.u.Address)
		return
	}
	l.report.error(w.u.Address, at, "Two certificates write one target", "%s would be written by %s (through %s) and by %s (through %s). With ${certificate.name} in it each certificate has its own.",
		what, old.u.Address, old.p.ID, w.u.Address, w.p.ID)
}

// files finds certificates that write one file of this machine through sinks
// of two kinds, or by two ways to it through symbolic links. One certificate
// may be written to a file twice, as by two HAProxy instances that share it.
type files struct {
	seen map[string]writer
	real map[string]string // of directories
}

func (f *files) taken(w writer) (old writer, path string) {
	d, is := w.p.spec.(sinks.OnDisk)
	if !is {
		return writer{}, ""
	}
	for _, p := range d.Paths() {
		// What stands at the path itself is replaced, not followed.
		key := filepath.Join(f.resolve(filepath.Dir(p)), filepath.Base(p))
		first, there := f.seen[key]
		switch {
		case !there:
			f.seen[key] = w
		case first.u != w.u:
			return first, p
		}
	}
	return writer{}, ""
}

// resolve follows symbolic links in the path of a directory, as far as it
// exists.
func (f *files) resolve(dir string) string {
	if real, known := f.real[dir]; known {
		return real
	}
	real := dir
	if parent := filepath.Dir(dir); parent != dir {
		real = filepath.Join(f.resolve(parent), filepath.Base(dir))
		if info, err := os.Lstat(real); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			if to, err := filepath.EvalSymlinks(real); err == nil {
				real = to
			}
		}
	}
	f.real[dir] = real
	return real
}

// clashingEndpoints finds endpoints that would have to serve two certificates
// of one key family under one name.
func (l *loader) clashingEndpoints() {
	seen := make(map[string]*built, len(l.built))
	for _, u := range l.built {
		for _, p := range u.places {
			for _, e := range p.endpoints {
				old := seen[e.id]
				if old == nil {
					seen[e.id] = u
				}
				if old == nil || old == u {
					continue
				}
				l.report.error(u.Address, e.at, "Two certificates at one endpoint", "%s and %s, both with %s keys, would have to be served at %s for %s. An endpoint serves one certificate of a key family for a name: change hosts or server_names, or give one of them a key of the other family.",
					old.Address, u.Address, e.Family, e.id, e.ServerName)
			}
		}
	}
}

// clashingZones finds zones that two dns blocks claim and no zone block
// decides, and zones with two blocks.
func (l *loader) clashingZones() {
	decided := map[string]bool{}
	blocks := map[string]zoneAt{}
	for _, z := range l.zoneBlocks {
		decided[z.Name] = decided[z.Name] || len(z.DNS) > 0
		if old, there := blocks[z.Name]; there {
			l.report.error("", z.at, "Two blocks for one zone", "%s and %s (%s) are both about %s.", z.Address, old.Address, where(old.at), z.Name)
			continue
		}
		blocks[z.Name] = z
	}
	first := map[string]declaredZone{}
	for _, z := range l.declared {
		old, there := first[z.zone]
		switch {
		case !there:
			first[z.zone] = z
		case decided[z.zone]:
		case old.by == z.by:
			l.report.warn("", z.at, "Zone listed twice", "%s is in the list already.", z.zone)
		default:
			l.report.error("", z.at, "One zone at two providers", "%s (%s) and %s both declare %s. If both serve it, say so: zone %q { dns = [%s, %s] }.",
				old.by, where(old.at), z.by, z.zone, z.zone, old.by, z.by)
		}
	}
}

func where(r hcl.Range) string { return r.String() }
