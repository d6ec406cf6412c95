package catalogue

import (
	"io"
	"net/http"
)

func init() { fakes["he"] = heFake }

// heFake holds one value for each record that somebody made there, and says in
// a word what became of an update.
func heFake() fake {
	h := &held{zone: "example.com"}
	for _, name := range []string{"_acme-challenge", "_acme-challenge.www"} {
		h.add(name, "TXT", `""`, 300)
	}
	f := h.fake(map[string]string{"api_key": "canary-key"}, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != "dyn.dns.he.net" || r.Method != "POST" || r.URL.Path != "/nic/update" || r.UserAgent() == "":
			io.WriteString(w, "badagent")
			return
		case r.FormValue("password") != "canary-key":
			io.WriteString(w, "badauth")
			return
		}
		for i, k := range h.all {
			if k.Type == "TXT" && h.full(k.Name) == r.PostFormValue("hostname") {
				h.all[i].Val = r.PostFormValue("txt")
				io.WriteString(w, `good "`+h.all[i].Val+`"`)
				return
			}
		}
		io.WriteString(w, "nohost")
	})
	held := f.txt
	f.txt = func(name string) (out []string) {
		for _, v := range held(name) {
			if v != `""` {
				out = append(out, v)
			}
		}
		return out
	}
	return f
}
