package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

// host answers other servers as far as to the TLS handshake.
type host struct {
	name  string
	names []string
	how   string
	ca    *authority
}

func (h *host) listen() (addr string, stop func(), err error) {
	cert, err := h.ca.issue(h.names, h.how == "expired")
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				h.serve(c, &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"xmpp-server"}})
			})
		}
	})
	return l.Addr().String(), func() { _ = l.Close(); wg.Wait() }, nil
}

const open = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>"

func (h *host) serve(c net.Conn, cfg *tls.Config) {
	if h.how == "direct" {
		_ = tls.Server(c, cfg).Handshake()
		return
	}
	in := bufio.NewReader(c)
	until := func(end string) bool {
		for {
			s, err := in.ReadString('>')
			if err != nil || strings.Contains(s, end) {
				return err == nil
			}
		}
	}
	if !until("<stream:stream") {
		return
	}
	switch h.how {
	case "garbage":
		fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		return
	case "unknown":
		fmt.Fprint(c, open+"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		return
	case "notls":
		fmt.Fprint(c, open+"<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>")
		return
	}
	fmt.Fprint(c, open+"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>")
	if !until("<starttls") {
		return
	}
	fmt.Fprint(c, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	_ = tls.Server(c, cfg).Handshake()
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "lab"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key}, err
}

func (a *authority) issue(names []string, expired bool) (*tls.Certificate, error) {
	end := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	if expired {
		end = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		ExtraExtensions: []pkix.Extension{{Id: oidSubjectAltName, Critical: true, Value: altNames(names)}},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, a.key.Public(), a.key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}, err
}

// altNames is the value of a subjectAltName. A name with xmpp: or srv: before it is one of XMPP or of its service, the others are of the DNS.
func altNames(names []string) []byte {
	var all []byte
	for _, n := range names {
		kind, name, ok := strings.Cut(n, ":")
		switch {
		case !ok:
			all = append(all, marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(n)})...)
		case kind == "xmpp":
			all = append(all, otherName(oidXMPPAddr, asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(name)})...)
		case kind == "srv":
			all = append(all, otherName(oidSRVName, asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(name)})...)
		}
	}
	return marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: all})
}

func otherName(oid asn1.ObjectIdentifier, value asn1.RawValue) []byte {
	explicit := marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: marshal(value)})
	return marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: append(marshal(oid), explicit...)})
}

func marshal(v any) []byte {
	b, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
