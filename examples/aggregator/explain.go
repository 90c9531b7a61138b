package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
)

const databaseRemedy = `Does PostgreSQL run, does it listen where the URL says, and may the user connect? Try the same URL with psql:
    psql "postgres://USER@HOST/NAME" -c "SELECT 1"`

const fileRemedy = `Does another program keep the file, such as a second copy of this one? See which:  fuser -v FILE FILE-wal
May the user that the program runs as write the file, those beside it that begin with its name, and the folder?`

// remedies say what to do about errors, the first that fits.
var remedies = []struct {
	err  error
	text string
}{
	{syscall.EADDRINUSE, `Something listens there already, perhaps another copy of this program. See what:  ss -ltnp
Choose another address with -listen, -redirect or -metrics-listen.`},
	{syscall.EADDRNOTAVAIL, `This machine has no such address. See which it has:  ip address`},
	{store.ErrFull, `Make space on the disk of the database. Nothing that was saved is lost.`},
	{store.ErrFile, fileRemedy},
	{store.ErrUnavailable, databaseRemedy},
	{os.ErrPermission, `The user that the program runs as may not do that. Ports below 1024 need the capability CAP_NET_BIND_SERVICE:
    with systemd  AmbientCapabilities=CAP_NET_BIND_SERVICE , otherwise  setcap cap_net_bind_service=ep aggregator
Files have to belong to that user.`},
}

// explain prints what to do about an error, if that is known and not said yet.
func explain(w io.Writer, err error) {
	var version *store.VersionError
	if errors.As(err, &version) {
		fmt.Fprintf(w, "    %s\n", `A newer version has used this database. Run that one, or restore the backup that you made before the upgrade.`)
		return
	}
	for _, r := range remedies {
		if errors.Is(err, r.err) {
			for line := range strings.Lines(r.text) {
				fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
			}
			return
		}
	}
}
