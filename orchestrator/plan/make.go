package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/state"
)

// Make decides for all certificates, and adds what only the whole can know:
// what upkeep is left for later, what was forgotten by the configuration, the
// counts and the digest.
func Make(f Facts) *Plan {
	p := &Plan{FormatVersion: FormatVersion, AsOf: f.Now, Lineage: f.Lineage, ConfigDigest: f.ConfigDigest, Upkeep: f.Upkeep, Items: []*Item{}}
	if p.Upkeep == "" {
		p.Upkeep = Exclude
	}
	wanted := map[string]bool{}
	for _, w := range f.Wants {
		wanted[w.Address] = true
		if f.Targets != nil && !f.Targets(w.Address) {
			continue
		}
		p.take(decideIn(p.Upkeep, w, f), f.Now)
	}
	for address, rec := range f.Records {
		if wanted[address] || (f.Targets != nil && !f.Targets(address)) {
			continue
		}
		if it := forgotten(rec); it != nil && p.Upkeep != Only {
			p.Items = append(p.Items, it)
		}
	}
	slices.SortFunc(p.Items, func(a, b *Item) int { return cmp.Compare(a.Address, b.Address) })
	p.count()
	p.digest()
	return p
}

// decideIn decides one certificate with what was asked for on the command line.
func decideIn(mode Upkeep, w Want, f Facts) *Item {
	have := f.Records[w.Address]
	if have == nil {
		have = &state.Record{Address: w.Address}
	}
	order := issuance(w, have, f.Now)
	if order == nil && f.Replace != nil && f.Replace(w.Address) {
		order = &Step{Kind: Issue, Class: Intent, Why: "asked for by -replace"}
	}
	later := false
	switch {
	case order == nil:
	case mode == Exclude && order.Class == Time && !order.Urgent:
		order, later = nil, true
	case mode == Only && order.Class != Time && order.Kind != Resume:
		// Upkeep does what time asks and finishes what was begun; what the
		// configuration asks for anew is for an apply that somebody reviewed.
		order = nil
	}
	it := decide(w, have, f.Seen[w.Address], f.Now, f.Patient, order)
	it.Later = later
	return it
}

// take adds it to the plan, unless there is nothing to say about it.
func (p *Plan) take(it *Item, now time.Time) {
	if it.Later {
		p.Later.Due++
	}
	if it.RenewAt.After(now) && (p.Later.Next.IsZero() || it.RenewAt.Before(p.Later.Next)) {
		p.Later.Next, p.Later.Who = it.RenewAt, it.Address
	}
	if len(it.Steps) == 0 && len(it.Errors) == 0 && len(it.Warnings) == 0 && !it.Unread() {
		p.Quiet++
		return
	}
	p.Items = append(p.Items, it)
}

// Unread reports whether a place of the item could not be looked at.
func (i *Item) Unread() bool {
	return slices.ContainsFunc(i.Places, func(v PlaceView) bool { return v.Will == "unread" })
}

// Impossible reports whether the item wants a certificate that cannot be had as
// things are: its Errors say why.
func (i *Item) Impossible() bool { return len(i.Errors) > 0 && i.Issues() != nil }

// unserved counts the endpoints that do not serve the certificate while none of
// the places that would prove them can be changed: no step says so.
func (i *Item) unserved() (n int) {
	for _, e := range i.Endpoints {
		if e.Will == "prove" && !slices.ContainsFunc(i.Steps, func(s Step) bool { return s.Kind == Prove && s.Place == e.ID }) {
			n++
		}
	}
	return n
}

// DoctorPrefix begins the addresses of records that owe canaries: no block of
// the configuration has one like it.
const DoctorPrefix = "doctor["

// forgotten is what is to be done about a record whose certificate left the
// configuration: nil once nothing is left.
func forgotten(rec *state.Record) *Item {
	if !rec.Gone.IsZero() && rec.Work == nil && len(rec.Owed) == 0 {
		return nil
	}
	it := &Item{Address: rec.Address, Live: rec.Live, Owed: rec.Owed, Names: []Name{}, Basis: BasisOf(Want{}, rec, Seen{})}
	if rec.Live != nil {
		for _, n := range rec.Live.Names {
			it.Names = append(it.Names, Name{Name: n})
		}
		it.Issuer, it.KeyType, it.Profile = rec.Live.Issuer, rec.Live.KeyType, rec.Live.Profile
	}
	why := "it is no longer in the configuration; what was delivered is kept, nothing is revoked"
	if !rec.Gone.IsZero() {
		why = "it left the configuration, and TXT values of it are still owed"
	}
	if strings.HasPrefix(rec.Address, DoctorPrefix) {
		why = "a canary of doctor was left in DNS"
	}
	it.Steps = append(it.Steps, Step{Kind: Forget, Class: Intent, Why: why})
	if len(rec.Owed) > 0 {
		it.Steps = append(it.Steps, Step{Kind: Clean, Class: Intent, Why: owedWhy(rec.Owed)})
	}
	return it
}

func (p *Plan) count() {
	s := Summary{}
	for _, it := range p.Items {
		s.Errors += len(it.Errors)
		if it.Impossible() {
			s.Impossible++
		}
		if it.Unread() {
			s.Unread++
		}
		s.Unserved += it.unserved()
		for _, st := range it.Steps {
			if it.Impossible() && (st.Kind == Issue || st.Kind == Renew || st.Kind == Resume) {
				continue
			}
			switch st.Kind {
			case Issue:
				s.Issue++
			case Renew:
				s.Renew++
			case Resume:
				s.Resume++
			case Put:
				s.Deliver++
			case Prove:
				s.Prove++
			case Clean:
				s.Clean++
			case Forget:
				s.Forget++
			case Blocked:
				s.Blocked++
			}
			if st.Kind == Issue || st.Kind == Renew {
				if s.Orders == nil {
					s.Orders = map[string]int{}
				}
				s.Orders[it.Issuer]++
			}
		}
	}
	p.Summary = s
}

// digest covers what is decided and on what basis, but not when: the same
// decisions on the same world give the same digest.
func (p *Plan) digest() {
	type line struct {
		Address string
		Issuer  string
		Names   []string
		Steps   []Step
		Basis   Basis
	}
	lines := make([]line, 0, len(p.Items))
	for _, it := range p.Items {
		if !it.Changes() {
			continue
		}
		l := line{Address: it.Address, Issuer: it.Issuer, Basis: it.Basis}
		for _, n := range it.Names {
			l.Names = append(l.Names, n.Name)
		}
		for _, s := range it.Steps {
			s.Why, s.WaitTill = "", ""
			l.Steps = append(l.Steps, s)
		}
		lines = append(lines, l)
	}
	// Plain data: encoding it cannot fail.
	data, _ := json.Marshal(struct {
		Lineage, Config string
		Lines           []line
	}{p.Lineage, p.ConfigDigest, lines})
	sum := sha256.Sum256(data)
	p.Digest = hex.EncodeToString(sum[:])
	p.ID = p.Digest[:4] + "-" + p.Digest[4:8]
}
