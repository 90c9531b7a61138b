package optout

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/xep"
)

// errNotListed says that a domain answered and does not list the sender.
var errNotListed = errors.New("not among the contact addresses")

// listed asks a domain for its contact addresses, and returns nil if the sender is one of them.
func listed(ctx context.Context, s roundtrip.Session, name xep.Name, from jid.JID) error {
	addr, err := name.JID()
	if err != nil {
		return err
	}
	info, err := disco.GetInfo(ctx, s, addr, "")
	if err != nil {
		return fmt.Errorf("the contact addresses are not known: %w", err)
	}
	for _, form := range info.Forms {
		if form.FormType() != xep.FormType {
			continue
		}
		for _, f := range form.Fields {
			if strings.HasSuffix(f.Var, "-addresses") && anyIs(f.Values, from) {
				return nil
			}
		}
	}
	return errNotListed
}

func anyIs(uris []string, from jid.JID) bool {
	for _, u := range uris {
		if addr, ok := person(u); ok && addr.Equal(from.Bare()) {
			return true
		}
	}
	return false
}

// person returns the bare address in an xmpp URI (RFC 5122), unless that is a chat room's, in whose name many can speak.
func person(uri string) (jid.JID, bool) {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(uri), ":")
	if !ok || !strings.EqualFold(scheme, "xmpp") {
		return jid.JID{}, false
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	action, _, _ := strings.Cut(query, ";")
	if strings.EqualFold(action, "join") {
		return jid.JID{}, false
	}
	if account, ok := strings.CutPrefix(rest, "//"); ok {
		// The account to write from, which is no business of ours, and then the address.
		if _, rest, ok = strings.Cut(account, "/"); !ok {
			return jid.JID{}, false
		}
	}
	plain, err := url.PathUnescape(rest)
	if err != nil {
		return jid.JID{}, false
	}
	addr, err := jid.Parse(plain)
	if err != nil || addr.Domainpart() == "" {
		return jid.JID{}, false
	}
	return addr.Bare(), true
}
