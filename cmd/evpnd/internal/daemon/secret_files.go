package daemon

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/config"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// secretFiles returns the files that hold a secret of cfg, each once: path,
// which cfg was read from, when a password stands in it, the password files,
// and the key of the API's certificate.
func secretFiles(path string, cfg *config.Config) []string {
	var files []string
	add := func(s config.Session) {
		switch {
		case s.PasswordFile != "":
			files = append(files, s.PasswordFile)
		case !s.Password.IsZero():
			files = append(files, path)
		}
	}
	for _, p := range cfg.BGP.Peers {
		add(p.Session)
	}
	for _, p := range cfg.BGP.Dynamic {
		add(p.Session)
	}
	if cfg.API.TLS.Key != "" {
		files = append(files, cfg.API.TLS.Key)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// exposed returns a problem for each file that everybody on the host can
// read. It looks anew each time: the problem ends with chmod.
func exposed(files []string) (out []*evpndv1.Alarm) {
	for _, f := range files {
		if readable(f) {
			out = append(out, &evpndv1.Alarm{
				Kind: "secret-readable", Object: "file " + f,
				Text: "everybody on this host can read the secret in " + f + ": chmod o-r " + f,
			})
		}
	}
	return out
}

// readable tells whether other users may read the file and open every
// directory on the way to it.
func readable(file string) bool {
	path, err := filepath.EvalSymlinks(file)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	for need := os.FileMode(0o004); err == nil; need = 0o001 {
		fi, serr := os.Stat(path)
		if serr != nil || fi.Mode()&need == 0 {
			return false
		}
		if path == "/" {
			return true
		}
		path = filepath.Dir(path)
	}
	return false
}
