package report

import (
	"context"
	"fmt"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	nsVersion = "jabber:iq:version"
	// maxVersionText bounds each of the texts. Nobody needs more, and everybody who reads the item pays for it.
	maxVersionText = 256
)

// AskSoftware asks a server which software it runs (XEP-0092), for [Reporter.Software].
//
// Only name and version are returned: the operating system is nobody's business unless the operator says so.
func AskSoftware(ctx context.Context, s Session, host jid.JID) (xep.Software, error) {
	reply, err := roundtrip.Do(ctx, s, roundtrip.Request{
		Type: stanza.GetIQ, To: host, Payload: []byte(`<query xmlns='` + nsVersion + `'/>`),
	})
	if err != nil {
		return xep.Software{}, fmt.Errorf("software of %s: %w", host, err)
	}
	out, err := decodeSoftware(reply.Payload())
	if err != nil {
		return xep.Software{}, fmt.Errorf("software of %s: %w", host, err)
	}
	return out, nil
}

func decodeSoftware(p *xmlscan.Scanner) (out xep.Software, err error) {
	if p == nil || !p.Is(nsVersion, "query") {
		return xep.Software{}, fmt.Errorf("%w: no version in the answer", roundtrip.ErrMalformed)
	}
	for d := p.Depth(); p.Child(d); {
		var text *string
		switch {
		case p.Is(nsVersion, "name"):
			text = &out.Name
		case p.Is(nsVersion, "version"):
			text = &out.Version
		default:
			continue
		}
		if *text, err = p.InnerText(maxVersionText); err != nil {
			return xep.Software{}, fmt.Errorf("%w: %v", roundtrip.ErrMalformed, err)
		}
	}
	if err := p.Err(); err != nil {
		return xep.Software{}, fmt.Errorf("%w: %v", roundtrip.ErrMalformed, err)
	}
	return out, nil
}
