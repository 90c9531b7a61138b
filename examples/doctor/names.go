package main

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xmppgraph/xmppgraph/xep"
)

// The object identifiers of the names that XMPP knows beside those of the DNS (RFC 6120 §13.7.1.4, RFC 4985).
var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidXMPPAddr       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5}
	oidSRVName        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 7}
)

// maxNames is how many names of a stranger's certificate are looked at.
const maxNames = 1000

// otherNames are the names of a certificate that package x509 leaves aside.
type otherNames struct {
	xmppAddrs []string // bare addresses, which are domains in a server's certificate
	srvNames  []string // such as _xmpp-server.example.org
}

// othersOf reads them from the certificate. What can't be read names nobody.
func othersOf(c *x509.Certificate) (o otherNames) {
	for _, e := range c.Extensions {
		if e.Id.Equal(oidSubjectAltName) {
			o, _ = parseOtherNames(e.Value)
		}
	}
	return o
}

var errNames = errors.New("malformed subjectAltName")

// parseOtherNames reads the value of a subjectAltName (RFC 5280 §4.2.1.6).
func parseOtherNames(der []byte) (o otherNames, err error) {
	var names asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &names); err != nil || len(rest) > 0 || names.Class != asn1.ClassUniversal || names.Tag != asn1.TagSequence || !names.IsCompound {
		return o, errNames
	}
	rest := names.Bytes
	for n := 0; len(rest) > 0 && n < maxNames; n++ {
		var name asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &name); err != nil {
			return otherNames{}, errNames
		}
		if name.Class == asn1.ClassContextSpecific && name.Tag == 0 && name.IsCompound {
			o.add(name.Bytes)
		}
	}
	return o, nil
}

// add takes up an otherName of a known kind: OtherName ::= SEQUENCE { type-id OID, value [0] EXPLICIT ANY }.
func (o *otherNames) add(der []byte) {
	var oid asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(der, &oid)
	if err != nil {
		return
	}
	var value asn1.RawValue
	if rest, err = asn1.Unmarshal(rest, &value); err != nil || len(rest) > 0 || value.Class != asn1.ClassContextSpecific || value.Tag != 0 {
		return
	}
	var text asn1.RawValue
	if rest, err = asn1.Unmarshal(value.Bytes, &text); err != nil || len(rest) > 0 || text.Class != asn1.ClassUniversal {
		return
	}
	switch {
	case oid.Equal(oidXMPPAddr) && text.Tag == asn1.TagUTF8String:
		o.xmppAddrs = append(o.xmppAddrs, string(text.Bytes))
	case oid.Equal(oidSRVName) && text.Tag == asn1.TagIA5String:
		o.srvNames = append(o.srvNames, string(text.Bytes))
	}
}

// srvPrefix is the service that a SRVName of a server's certificate is for.
const srvPrefix = "_xmpp-server."

// covers tells whether one of the names is that of the domain.
func (o otherNames) covers(name xep.Name) bool {
	is := func(s string) bool {
		n, err := xep.ParseName(s)
		return err == nil && n == name
	}
	return slices.ContainsFunc(o.xmppAddrs, is) || slices.ContainsFunc(o.srvNames, func(s string) bool {
		return len(s) > len(srvPrefix) && strings.EqualFold(s[:len(srvPrefix)], srvPrefix) && is(s[len(srvPrefix):])
	})
}

// shownNames is how many names an answer lists.
const shownNames = 10

// namesOf lists what a certificate covers, ready for a terminal.
func namesOf(c *x509.Certificate, o otherNames) string {
	all := slices.Concat(c.DNSNames, o.xmppAddrs, o.srvNames)
	if len(all) == 0 {
		return "no name of a host"
	}
	var shown []string
	for _, n := range all[:min(len(all), shownNames)] {
		if q := fmt.Sprintf("%q", n); q != `"`+n+`"` {
			n = q
		}
		shown = append(shown, n)
	}
	if more := len(all) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(shown, ", ")
}
