package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// signer signs certificates.
type signer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &signer{key, cert}
}

// sign returns a chain (PEM) for a domain and a key.
func (s *signer) sign(t *testing.T, domain string, key any, until time.Time) []byte {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: serial, DNSNames: []string{domain}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, s.cert, key, s.key)
	require.NoError(t, err)
	return append(block("CERTIFICATE", der), block("CERTIFICATE", s.cert.Raw)...)
}

func (s *signer) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(s.cert)
	return p
}

func block(typ string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})
}

// authority is the part of RFC 8555 that is needed to get one certificate. It believes every signature.
type authority struct {
	*signer
	t         *testing.T
	web       *httptest.Server
	challenge string
	// prove looks at the challenge as the authority would.
	prove func(token string) error

	mu     sync.Mutex
	domain string
	status string
	chain  []byte
	issued int
}

const token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"

func newAuthority(t *testing.T, challenge string) *authority {
	a := &authority{signer: newSigner(t), t: t, challenge: challenge, status: "pending"}
	mux := http.NewServeMux()
	mux.HandleFunc("/directory", func(w http.ResponseWriter, _ *http.Request) {
		a.answer(w, 200, map[string]any{"newNonce": a.web.URL + "/nonce", "newAccount": a.web.URL + "/account", "newOrder": a.web.URL + "/orders"})
	})
	mux.HandleFunc("/nonce", func(w http.ResponseWriter, _ *http.Request) { a.answer(w, 200, nil) })
	mux.HandleFunc("/account", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", a.web.URL+"/account/1")
		a.answer(w, 201, map[string]any{"status": "valid"})
	})
	mux.HandleFunc("/orders", a.order)
	mux.HandleFunc("/order", func(w http.ResponseWriter, _ *http.Request) { a.answer(w, 200, a.state()) })
	mux.HandleFunc("/authorization", func(w http.ResponseWriter, _ *http.Request) { a.answer(w, 200, a.authorization()) })
	mux.HandleFunc("/challenge", a.accept)
	mux.HandleFunc("/finalize", a.finalize)
	mux.HandleFunc("/certificate", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, _ = w.Write(a.chain)
	})
	a.web = httptest.NewTLSServer(mux)
	t.Cleanup(a.web.Close)
	return a
}

func (a *authority) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Replay-Nonce", rand.Text())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if v != nil {
		_ = json.NewEncoder(w).Encode(v)
	}
}

// payload returns what a request says, whoever has signed it.
func payload(r *http.Request, v any) error {
	var jws struct{ Payload string }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&jws); err != nil {
		return err
	}
	b, err := base64.RawURLEncoding.DecodeString(jws.Payload)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func (a *authority) order(w http.ResponseWriter, r *http.Request) {
	var o struct {
		Identifiers []struct{ Type, Value string }
	}
	if err := payload(r, &o); err != nil || len(o.Identifiers) != 1 {
		a.answer(w, 400, nil)
		return
	}
	a.mu.Lock()
	a.domain = o.Identifiers[0].Value
	a.mu.Unlock()
	w.Header().Set("Location", a.web.URL+"/order")
	a.answer(w, 201, a.state())
}

func (a *authority) state() map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	status := map[string]string{"pending": "pending", "valid": "ready", "issued": "valid"}[a.status]
	return map[string]any{"status": status, "identifiers": []any{map[string]string{"type": "dns", "value": a.domain}},
		"authorizations": []string{a.web.URL + "/authorization"}, "finalize": a.web.URL + "/finalize", "certificate": a.web.URL + "/certificate"}
}

func (a *authority) authorization() map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return map[string]any{"status": a.status, "identifier": map[string]string{"type": "dns", "value": a.domain},
		"challenges": []any{map[string]string{"type": a.challenge, "url": a.web.URL + "/challenge", "token": token, "status": a.status}}}
}

func (a *authority) accept(w http.ResponseWriter, _ *http.Request) {
	if err := a.prove(token); err != nil {
		a.t.Errorf("challenge: %v", err)
		a.answer(w, 403, map[string]string{"type": "urn:ietf:params:acme:error:unauthorized", "detail": err.Error()})
		return
	}
	a.mu.Lock()
	a.status = "valid"
	a.mu.Unlock()
	a.answer(w, 200, map[string]string{"type": a.challenge, "url": a.web.URL + "/challenge", "token": token, "status": "valid"})
}

func (a *authority) finalize(w http.ResponseWriter, r *http.Request) {
	var f struct{ CSR string }
	err := payload(r, &f)
	var der []byte
	if err == nil {
		der, err = base64.RawURLEncoding.DecodeString(f.CSR)
	}
	var csr *x509.CertificateRequest
	if err == nil {
		csr, err = x509.ParseCertificateRequest(der)
	}
	if err != nil {
		a.answer(w, 400, nil)
		return
	}
	a.mu.Lock()
	a.chain = a.sign(a.t, a.domain, csr.PublicKey, time.Now().Add(24*time.Hour))
	a.status = "issued"
	a.issued++
	a.mu.Unlock()
	w.Header().Set("Location", a.web.URL+"/order")
	a.answer(w, 200, a.state())
}

// proveALPN opens a connection as RFC 8737 §3 says.
func proveALPN(domain, addr string) error {
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: domain, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer c.Close()
	for _, e := range c.ConnectionState().PeerCertificates[0].Extensions {
		if e.Id.String() == "1.3.6.1.5.5.7.1.31" && e.Critical {
			return nil
		}
	}
	return fmt.Errorf("no proof in the certificate")
}

// proveHTTP fetches the file of RFC 8555 §8.3.
func proveHTTP(ctx context.Context, c *http.Client, domain, url, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/.well-known/acme-challenge/"+token, nil)
	if err != nil {
		return err
	}
	req.Host = domain
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasPrefix(string(b), token+".") {
		return fmt.Errorf("%s: %q %v", resp.Status, b, err)
	}
	return nil
}
