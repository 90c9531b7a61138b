package report

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Session carries this package's requests.
//
// *xmpp.Session and *connect.Session have the method, and so can a server's own router.
// It must be safe for concurrent use and give up when ctx ends.
type Session interface {
	SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error)
}

// ErrNotAdmin is wrapped by the error of a source whose session may not see the server's connections.
var ErrNotAdmin = errors.New("not an administrator of the server")

const (
	nsCommands = "http://jabber.org/protocol/commands"
	nodeS2S    = "http://prosody.im/protocol/s2s#list"
	// nodeOutgoing is ejabberd's, mod_disco and mod_configure answer it.
	nodeOutgoing = "outgoing s2s"
	// maxAdminBytes bounds an answer: 100,000 connections of 80 bytes.
	maxAdminBytes = 8 << 20
)

// ProsodyAdHoc is a [Source] that asks a stock Prosody with mod_admin_adhoc, by the ad-hoc command for its s2s connections.
//
// The session's address must be among Prosody's admins, as in  admins = { "reporter.example.org" }; a component will do.
type ProsodyAdHoc struct {
	// Session carries the request.
	Session Session
	// Host is the virtual host.
	Host jid.JID
}

// Connections implements [Source].
//
// Prosody lists every stream that claims a name, too. Only those that it calls authenticated and encrypted are returned.
func (p ProsodyAdHoc) Connections(ctx context.Context) ([]Connection, error) {
	b := xmlscan.AppendAttr([]byte(`<command xmlns='`+nsCommands+`'`), "node", nodeS2S)
	reply, err := roundtrip.Do(ctx, p.Session, roundtrip.Request{
		Type: stanza.SetIQ, To: p.Host, Payload: append(b, ` action='execute'/>`...), MaxBytes: maxAdminBytes,
	})
	if err != nil {
		return nil, adminError("list connections of Prosody", p.Host, err)
	}
	form, err := commandForm(reply.Payload())
	if err != nil {
		return nil, fmt.Errorf("list connections of Prosody at %s: %w", p.Host, err)
	}
	var all []Connection
	for _, line := range form.Values("sessions") {
		if c, ok := parseS2SLine(line); ok {
			c.Local = p.Host.Domainpart()
			all = append(all, c)
		}
	}
	return all, nil
}

// adminError tells the caller's lack of rights apart.
func adminError(op string, host jid.JID, err error) error {
	if errors.Is(err, stanza.Error{Condition: stanza.Forbidden}) || errors.Is(err, stanza.Error{Condition: stanza.NotAllowed}) {
		return fmt.Errorf("%s at %s: %w: %w", op, host, ErrNotAdmin, err)
	}
	return fmt.Errorf("%s at %s: %w", op, host, err)
}

func commandForm(s *xmlscan.Scanner) (xep.Form, error) {
	if s == nil || !s.Is(nsCommands, "command") {
		return xep.Form{}, fmt.Errorf("%w: no command in the answer", roundtrip.ErrMalformed)
	}
	for d := s.Depth(); s.Child(d); {
		if s.Is(xep.NSForm, "x") {
			form, err := xep.DecodeForm(s)
			if err == nil && form.FormType() == nodeS2S {
				return form, nil
			}
		}
	}
	if err := s.Err(); err != nil {
		return xep.Form{}, fmt.Errorf("%w: %w", roundtrip.ErrMalformed, err)
	}
	// A server that lists nothing because it knows no such form must not look like one without connections.
	return xep.Form{}, fmt.Errorf("%w: no list of connections in the answer", roundtrip.ErrMalformed)
}

// parseS2SLine reads a line such as " -> b.test [s2sout563232df7400] (authenticated, SASL, encrypted)".
// The remote name is what a stranger claims to be, so the flags are taken from the end of the line and the name must be one word.
func parseS2SLine(line string) (Connection, bool) {
	line = strings.TrimSpace(line)
	body, flags, ok := cutLast(line, " (")
	if !ok || !strings.HasSuffix(flags, ")") {
		return Connection{}, false
	}
	authenticated, encrypted := false, false
	for flag := range strings.SplitSeq(strings.TrimSuffix(flags, ")"), ", ") {
		authenticated = authenticated || flag == "authenticated"
		encrypted = encrypted || flag == "encrypted"
	}
	fields := strings.Fields(body)
	if !authenticated || !encrypted || len(fields) != 3 || !strings.HasPrefix(fields[2], "[s2s") {
		return Connection{}, false
	}
	switch fields[0] {
	case "->":
		return Connection{Remote: fields[1], Direction: xep.Outgoing}, true
	case "<-":
		return Connection{Remote: fields[1], Direction: xep.Incoming}, true
	case "<->":
		return Connection{Remote: fields[1], Direction: xep.Bidi}, true
	}
	return Connection{}, false
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// EjabberdOutgoing is a [Source] that asks a stock ejabberd with mod_configure, by service discovery, for its outgoing s2s connections.
//
// The session's address must be allowed by ejabberd's rule "configure".
// Two things about it are not as one would wish: incoming connections are not visible in this way, and an attempt that
// failed is listed for as long as ejabberd remembers it.
type EjabberdOutgoing struct {
	// Session carries the request.
	Session Session
	// Host is the virtual host.
	Host jid.JID
}

// Connections implements [Source]. No more than 1,000 remote domains are returned.
func (e EjabberdOutgoing) Connections(ctx context.Context) ([]Connection, error) {
	items, err := disco.GetItems(ctx, e.Session, e.Host, nodeOutgoing)
	if err != nil {
		return nil, adminError("list connections of ejabberd", e.Host, err)
	}
	var all []Connection
	for _, it := range items {
		if remote, ok := strings.CutPrefix(it.Node, nodeOutgoing+"/"); ok && remote != "" && !strings.Contains(remote, "/") {
			all = append(all, Connection{Local: e.Host.Domainpart(), Remote: strings.Clone(remote), Direction: xep.Outgoing})
		}
	}
	return all, nil
}
