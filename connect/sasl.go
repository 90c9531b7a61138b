package connect

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// mechanism is the client's side of one SASL mechanism.
type mechanism interface {
	// begin returns the initial response.
	begin() ([]byte, error)
	// answer returns the response to a challenge, or checks the data that came with success.
	answer(challenge []byte) ([]byte, error)
	// verified reports whether the server has proved what the mechanism makes it prove.
	verified() bool
}

// choose returns the best mechanism that the server offers.
//
// The PLUS variants are left out: ejabberd refuses their channel binding over TLS 1.3.
func (n *negotiation) choose(offers []string) (string, mechanism) {
	for _, h := range hashes {
		if name := "SCRAM-" + h.name; slices.Contains(offers, name) {
			return name, newScram(h, n.cfg.JID.Localpart(), n.cfg.Password)
		}
	}
	if slices.Contains(offers, "PLAIN") {
		return "PLAIN", plain("\x00" + n.cfg.JID.Localpart() + "\x00" + n.cfg.Password)
	}
	return "", nil
}

// authenticate proves that we know the password (RFC 6120 §6).
func (n *negotiation) authenticate(f offered) error {
	if !n.encrypted && !n.cfg.Insecure {
		return n.fail("auth", ErrUnencrypted, nil, "")
	}
	name, m := n.choose(f.mechanisms)
	if m == nil {
		return n.fail("auth", ErrMechanism, fmt.Errorf("server offers %q", f.mechanisms),
			"enable SCRAM-SHA-256, SCRAM-SHA-1 or PLAIN on the server")
	}
	initial, err := m.begin()
	if err != nil {
		return n.fail("auth", nil, err, "")
	}
	msg := xmlscan.AppendAttr([]byte("<auth xmlns='"+nsSASL+"'"), "mechanism", name)
	if err := n.write(sasl(append(msg, '>'), initial, "</auth>")); err != nil {
		return n.fail("auth", nil, err, "")
	}
	for range 4 {
		done, err := n.challenge(m)
		if err != nil || done {
			return err
		}
	}
	return n.fail("auth", ErrProtocol, errors.New("too many challenges"), "")
}

// challenge answers one message of the server and reports whether it was the last.
func (n *negotiation) challenge(m mechanism) (done bool, err error) {
	s, err := n.element("auth")
	if err != nil {
		return false, err
	}
	switch {
	case s.Is(nsSASL, "failure"):
		return false, n.saslFailure(s)
	case s.Is(nsSASL, "success"), s.Is(nsSASL, "challenge"):
	default:
		return false, n.fail("auth", ErrProtocol, errors.New("neither challenge nor success"), "")
	}
	done = s.Local() == "success"
	data, err := saslData(s)
	if err != nil {
		return false, n.fail("auth", ErrProtocol, err, "")
	}
	var response []byte
	if len(data) > 0 || !done {
		if response, err = m.answer(data); err != nil {
			return false, n.fail("auth", ErrProtocol, err, "")
		}
	}
	if done {
		if !m.verified() {
			return false, n.fail("auth", ErrProtocol, errors.New("the server has not proved that it knows the password"), "")
		}
		return true, nil
	}
	if err := n.write(sasl([]byte("<response xmlns='"+nsSASL+"'>"), response, "</response>")); err != nil {
		return false, n.fail("auth", nil, err, "")
	}
	return false, nil
}

// sasl appends data in base64 and the end tag.
func sasl(msg, data []byte, end string) []byte {
	return append(base64.StdEncoding.AppendEncode(msg, data), end...)
}

func saslData(s *xmlscan.Scanner) ([]byte, error) {
	text, err := s.InnerText(16 << 10)
	if err != nil {
		return nil, err
	}
	text = strings.TrimSpace(text)
	if text == "=" {
		return nil, nil
	}
	return base64.StdEncoding.DecodeString(text)
}

// saslFailure turns a failure into a typed error (RFC 6120 §6.5).
func (n *negotiation) saslFailure(s *xmlscan.Scanner) error {
	condition, text := "undefined-condition", ""
	for d := s.Depth(); s.Child(d); {
		if s.Local() == "text" {
			text, _ = s.InnerText(1 << 10)
			continue
		}
		condition = s.Local()
	}
	err := errors.New(condition)
	if text != "" {
		err = fmt.Errorf("%s: %q", condition, text)
	}
	switch condition {
	case "not-authorized", "invalid-authzid":
		return n.fail("auth", ErrCredentials, err, "check the password, and that the account exists")
	case "account-disabled", "credentials-expired":
		return n.fail("auth", ErrCredentials, err, "ask the server's operator to enable the account")
	case "mechanism-too-weak", "encryption-required", "invalid-mechanism":
		return n.fail("auth", ErrMechanism, err, "")
	}
	return n.fail("auth", nil, err, "")
}

// plain is the mechanism PLAIN (RFC 4616).
type plain string

func (p plain) begin() ([]byte, error) { return []byte(p), nil }

func (plain) answer([]byte) ([]byte, error) { return nil, nil }

func (plain) verified() bool { return true }
