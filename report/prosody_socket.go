package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

// DefaultProsodySocket is where Debian's Prosody has its admin socket.
const DefaultProsodySocket = "/var/lib/prosody/prosody.sock"

const (
	nsProsodyAdmin = "xmpp:prosody.im/admin"
	socketTimeout  = 30 * time.Second

	// listStreams is one line of Lua that returns the authenticated streams as JSON.
	//
	// A stream that came in is listed once for each name that it has proved, and not under the name in its header: with
	// dialback (XEP-0220), anybody who has a domain may write somebody else's into the header and then prove their own.
	// A stream that carries stanzas both ways is in both of Prosody's tables, and counted once.
	listStreams = `local t, seen = {}, {} ` +
		`for s in pairs(prosody.incoming_s2s) do if s.type == "s2sin" then ` +
		`seen[s] = true ` +
		`for name, h in pairs(s.hosts or {}) do if h.authed then ` +
		`t[#t+1] = { local_ = s.to_host, remote = name, type = s.type, direction = s.outgoing and "bidi" or "incoming" } ` +
		`end end end end ` +
		`for host, h in pairs(prosody.hosts) do for remote, s in pairs(h.s2sout or {}) do if s.type == "s2sout" and not seen[s] then ` +
		`t[#t+1] = { local_ = host, remote = remote, type = s.type, direction = s.incoming and "bidi" or "outgoing" } ` +
		`end end end ` +
		`return require"util.json".encode(t)`

	// activeUsers is one line of Lua that returns what mod_measure_active_users counted, by host.
	activeUsers = `local t, m = {}, require"core.statsmanager" ` +
		`local r = m.get_metric_registry and m.get_metric_registry() ` +
		`local f = r and r:get_metric_families()["prosody_mod_measure_active_users/active_users_30d"] ` +
		`if f then for labels, metric in f:iter_metrics() do for suffix, extra, value in metric:iter_samples() do ` +
		`t[labels[1] or "*"] = value end end end ` +
		`return require"util.json".encode(t)`
)

// ProsodySocket is a [Source] that asks a Prosody on the same machine, through the unix socket of its mod_admin_shell.
//
// It sees more than [ProsodyAdHoc]: streams of all hosts, also those that were authenticated by dialback, and those that carry
// stanzas both ways. Neither does it need an administrator's address.
// Only Prosody's own user and root may open the socket, and who may do so controls the whole server.
type ProsodySocket struct {
	// Path is the socket's, [DefaultProsodySocket] if empty.
	Path string
}

// Connections implements [Source]. Streams whose other side has proved nothing are not among them.
func (p ProsodySocket) Connections(ctx context.Context) ([]Connection, error) {
	b, err := p.eval(ctx, listStreams)
	if err != nil {
		return nil, fmt.Errorf("list connections of Prosody: %w", err)
	}
	all, err := parseStreams(b)
	if err != nil {
		return nil, fmt.Errorf("list connections of Prosody: %w", err)
	}
	return all, nil
}

// ErrNotCounted is returned by [ProsodySocket.ActiveUsers] where Prosody doesn't count, or has not counted yet.
var ErrNotCounted = errors.New("users are not counted: load mod_measure_active_users and mod_lastlog2, and set  statistics = \"internal\"")

// ActiveUsers returns how many of a virtual host's users were active in the last 30 days, as mod_measure_active_users of
// Prosody's community modules counts them.
func (p ProsodySocket) ActiveUsers(ctx context.Context, host string) (uint64, error) {
	b, err := p.eval(ctx, activeUsers)
	if err != nil {
		return 0, fmt.Errorf("active users of %q: %w", host, err)
	}
	counts := make(map[string]float64)
	if err := unmarshalTable(b, &counts); err != nil {
		return 0, fmt.Errorf("active users of %q: %w", host, err)
	}
	// Before it has counted, it says zero.
	if n := counts[host]; n >= 1 && n < 1<<53 {
		return uint64(n), nil
	}
	return 0, fmt.Errorf("active users of %q: %w", host, ErrNotCounted)
}

// parseStreams reads what listStreams returns. The type is looked at once more, since that is what everything rests on.
func parseStreams(b []byte) ([]Connection, error) {
	var streams []struct {
		Local     string        `json:"local_"`
		Remote    string        `json:"remote"`
		Type      string        `json:"type"`
		Direction xep.Direction `json:"direction"`
	}
	if err := unmarshalTable(b, &streams); err != nil {
		return nil, err
	}
	all := make([]Connection, 0, len(streams))
	for _, s := range streams {
		if (s.Type != "s2sin" && s.Type != "s2sout") || s.Local == "" || s.Remote == "" {
			continue
		}
		switch s.Direction {
		case xep.Incoming, xep.Outgoing, xep.Bidi:
			all = append(all, Connection{Local: s.Local, Remote: s.Remote, Direction: s.Direction})
		}
	}
	return all, nil
}

// unmarshalTable reads a Lua table. An empty one is an object even where a list is meant.
func unmarshalTable(b []byte, v any) error {
	if string(b) == "{}" {
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %v", roundtrip.ErrMalformed, err)
	}
	return nil
}

// eval runs a line of Lua in the server and returns the string that it returns.
func (p ProsodySocket) eval(ctx context.Context, lua string) ([]byte, error) {
	path := p.Path
	if path == "" {
		path = DefaultProsodySocket
	}
	ctx, cancel := context.WithTimeout(ctx, socketTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	b, err := ask(conn, lua)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return b, err
}

// ask speaks the protocol of Prosody's util.adminstream.
func ask(conn io.ReadWriter, lua string) ([]byte, error) {
	b := []byte(`<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='` + nsProsodyAdmin + `'><repl-input>`)
	// The sign at the front makes it Lua in place of a command of the shell.
	b = append(xmlscan.AppendEscaped(b, "> "+lua), "</repl-input>"...)
	if _, err := conn.Write(b); err != nil {
		return nil, err
	}
	framer := xmlscan.NewFramer(xmlscan.FrameLimits{Bytes: maxAdminBytes})
	buf := make([]byte, 32<<10)
	for {
		n, err := conn.Read(buf)
		if result, done, err := feed(framer, buf[:n]); done || err != nil {
			return result, err
		}
		if err != nil {
			return nil, fmt.Errorf("no answer from the admin socket: %w", err)
		}
	}
}

// feed looks for the result among the elements that end in p.
func feed(framer *xmlscan.Framer, p []byte) (result []byte, done bool, err error) {
	for len(p) > 0 {
		n, frame, err := framer.Feed(p)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %v", roundtrip.ErrMalformed, err)
		}
		p = p[n:]
		switch frame.Kind {
		case xmlscan.Stanza:
			if result, done, err := replResult(frame.Data); done || err != nil {
				return result, done, err
			}
		case xmlscan.Dropped:
			return nil, false, fmt.Errorf("%w: an element of %d bytes is %s", roundtrip.ErrMalformed, frame.Size, frame.Reason)
		case xmlscan.Close:
			return nil, false, io.ErrUnexpectedEOF
		}
	}
	return nil, false, nil
}

// replResult reads an element, which is the result, or output that doesn't matter.
func replResult(b []byte) (result []byte, done bool, err error) {
	s := xmlscan.New(b, xmlscan.Limits{})
	if !s.Next() || s.Local() != "repl-result" {
		return nil, false, s.Err()
	}
	typ, _ := s.Attr("type")
	text, err := s.InnerText(maxAdminBytes)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %v", roundtrip.ErrMalformed, err)
	}
	value, ok := strings.CutPrefix(text, "Result: ")
	if typ == "error" || !ok {
		return nil, false, fmt.Errorf("the admin socket refuses: %s", quoteShort(text))
	}
	return []byte(value), true, nil
}

// quoteShort makes what somebody else wrote fit for a log line.
func quoteShort(s string) string {
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}
