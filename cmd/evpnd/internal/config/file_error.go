package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
)

// fileErrorText puts an error of package os about a file behind "cannot be read: ".
// It drops the operation, and says what to do when evpnd, which has a user of
// its own, may not read what root has written.
func fileErrorText(err error) string {
	text := err.Error()
	var path *fs.PathError
	if errors.As(err, &path) {
		text = path.Path + ": " + path.Err.Error()
	}
	if !errors.Is(err, fs.ErrPermission) || path == nil {
		return text
	}
	group := groupName(os.Getegid())
	return fmt.Sprintf("%s for %s, whom evpnd runs as: let its group read the file (chgrp %s %s; chmod g+r %s) and open its directory",
		text, userName(os.Geteuid()), group, path.Path, path.Path)
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return "the user " + u.Username
	}
	return "uid " + strconv.Itoa(uid)
}

func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}
