package xep

import (
	"errors"
	"strconv"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// Marshal encodes a payload for publication.
//
// It refuses what the prose of XEP-0485 does not allow with an [*InvalidError]; [ServerInfo.Canonical] makes what was read from
// elsewhere acceptable.
// What [ServerInfo.Ignored] holds is not written.
func Marshal(si *ServerInfo) ([]byte, error) {
	if si == nil {
		return nil, errors.New("xep: no payload to encode")
	}
	return si.AppendXML(nil)
}

// AppendXML appends the payload as [Marshal] would encode it. On error it returns dst as it was.
func (si *ServerInfo) AppendXML(dst []byte) ([]byte, error) {
	if wrong := si.musts(); len(wrong) > 0 {
		return dst, &InvalidError{Deviations: wrong}
	}
	dst = append(dst, "<serverinfo xmlns='"+NS+"'>"...)
	for i := range si.Domains {
		dst = si.Domains[i].append(dst)
	}
	dst = si.Software.append(dst)
	dst = appendExtensions(dst, si.Extensions)
	return append(dst, "</serverinfo>"...), nil
}

func (d *Domain) append(dst []byte) []byte {
	dst = xmlscan.AppendAttr(append(dst, "<domain"...), "name", d.Name)
	if d.Federation == nil && d.Software == nil && d.ActiveUsers == nil && len(d.Extensions) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	dst = d.Federation.append(dst)
	dst = d.Software.append(dst)
	if d.ActiveUsers != nil {
		dst = append(dst, "<users xmlns='"+NSUsers+"'><active>"...)
		dst = strconv.AppendUint(dst, *d.ActiveUsers, 10)
		dst = append(dst, "</active></users>"...)
	}
	dst = appendExtensions(dst, d.Extensions)
	return append(dst, "</domain>"...)
}

func (f *Federation) append(dst []byte) []byte {
	switch {
	case f == nil:
		return dst
	case len(f.RemoteDomains) == 0:
		return append(dst, "<federation/>"...)
	}
	dst = append(dst, "<federation>"...)
	for i := range f.RemoteDomains {
		dst = f.RemoteDomains[i].append(dst)
	}
	return append(dst, "</federation>"...)
}

func (r *RemoteDomain) append(dst []byte) []byte {
	dst = append(dst, "<remote-domain"...)
	if r.Name != "" {
		dst = xmlscan.AppendAttr(dst, "name", r.Name)
	}
	if len(r.Connections) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	for _, c := range r.Connections {
		dst = append(dst, "<connection"...)
		if c.Direction != "" {
			dst = xmlscan.AppendAttr(dst, "type", string(c.Direction))
		}
		dst = append(dst, "/>"...)
	}
	return append(dst, "</remote-domain>"...)
}

func (s *Software) append(dst []byte) []byte {
	if s == nil {
		return dst
	}
	dst = append(dst, "<query xmlns='"+NSVersion+"'>"...)
	dst = appendText(dst, "name", s.Name)
	dst = appendText(dst, "version", s.Version)
	dst = appendText(dst, "os", s.OS)
	return append(dst, "</query>"...)
}

func appendText(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	dst = append(append(append(dst, '<'), name...), '>')
	dst = xmlscan.AppendEscaped(dst, text)
	return append(append(append(dst, "</"...), name...), '>')
}

func appendExtensions(dst []byte, extensions []Extension) []byte {
	for i := range extensions {
		dst = append(dst, extensions[i].XML...)
	}
	return dst
}
