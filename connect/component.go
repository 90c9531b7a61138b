package connect

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"

	"mellium.im/xmpp/component"
)

// Component connects to a server as one of its components (XEP-0114).
//
// It returns when the session is ready, or else an [*Error], which wraps the error of ctx if that ended first.
// Afterwards ctx has no effect.
// The component's address is set as the sender of every stanza that names none.
// The caller must close the session.
func Component(ctx context.Context, cfg Config) (*Session, error) {
	cfg = cfg.withDefaults(true)
	if cfg.JID.Domainpart() == "" || !cfg.JID.Equal(cfg.JID.Domain()) {
		return nil, &Error{Op: "config", Addr: cfg.JID.String(), Err: errors.New("a component's JID is a domain")}
	}
	if cfg.Secret == "" {
		return nil, &Error{Op: "config", Addr: cfg.JID.String(), Err: errors.New("no secret")}
	}
	return start(ctx, cfg, component.NSAccept, connectComponent)
}

func connectComponent(ctx context.Context, cfg *Config) (*negotiation, error) {
	conn, err := dialServer(ctx, cfg, target{addr: cfg.Server, direct: cfg.Direct})
	if err != nil {
		return nil, err
	}
	n := newNegotiation(cfg, component.NSAccept, cfg.Server, conn, cfg.Direct)
	if err := within(ctx, conn, n.open, n.handshake); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return n, nil
}

// handshake proves that we know the secret (XEP-0114 §3).
func (n *negotiation) handshake() error {
	id, _ := n.header.Attr("id")
	sum := sha1.Sum([]byte(id + n.cfg.Secret))
	msg := append([]byte("<handshake>"), hex.EncodeToString(sum[:])...)
	if err := n.write(append(msg, "</handshake>"...)); err != nil {
		return n.fail("handshake", nil, err, "")
	}
	s, err := n.element("handshake")
	if err != nil {
		return err
	}
	if !s.Is(n.ns, "handshake") {
		return n.fail("handshake", ErrProtocol, errors.New("no handshake"), "")
	}
	return nil
}
