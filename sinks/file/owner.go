package file

import (
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
)

// certMode is the mode of files that hold certificates only.
const certMode = 0o644

// owner is who owns the files, -1 for who runs the process, and the mode of
// those that hold the key.
type owner struct {
	uid, gid int
	mode     fs.FileMode
}

// ownership looks up names; numbers need not exist.
func ownership(name, group string, mode uint32) (owner, error) {
	o := owner{uid: -1, gid: -1, mode: fs.FileMode(mode)}
	if name != "" {
		n, err := strconv.Atoi(name)
		if err != nil {
			u, err := user.Lookup(name)
			if err != nil {
				return o, fmt.Errorf("owner: %w", err)
			}
			if n, err = strconv.Atoi(u.Uid); err != nil {
				return o, fmt.Errorf("owner %s: this system's users have no numbers", name)
			}
		}
		o.uid = n
	}
	if group != "" {
		n, err := strconv.Atoi(group)
		if err != nil {
			g, err := user.LookupGroup(group)
			if err != nil {
				return o, fmt.Errorf("group: %w", err)
			}
			if n, err = strconv.Atoi(g.Gid); err != nil {
				return o, fmt.Errorf("group %s: this system's groups have no numbers", group)
			}
		}
		o.gid = n
	}
	return o, nil
}

// wrong says what about a file's owner and mode is not as wanted, "" if nothing.
func (o owner) wrong(name string, info fs.FileInfo, mode fs.FileMode) string {
	if got := info.Mode().Perm(); hasModes && got != mode {
		return fmt.Sprintf("%s has mode %04o, want %04o", name, got, mode)
	}
	uid, gid, ok := ids(info)
	switch {
	case ok && o.uid >= 0 && uid != o.uid:
		return fmt.Sprintf("%s belongs to user %d, want %d", name, uid, o.uid)
	case ok && o.gid >= 0 && gid != o.gid:
		return fmt.Sprintf("%s belongs to group %d, want %d", name, gid, o.gid)
	}
	return ""
}

// likewise is the owner and mode of a file.
func likewise(info fs.FileInfo) owner {
	o := owner{uid: -1, gid: -1, mode: info.Mode().Perm()}
	if uid, gid, ok := ids(info); ok {
		o.uid, o.gid = uid, gid
	}
	return o
}
