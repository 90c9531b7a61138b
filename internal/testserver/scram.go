package testserver

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"hash"
	"strconv"
	"strings"
)

// iterations of the salted passwords, the minimum of RFC 7677 §4 and what ejabberd uses.
const iterations = 4096

var errAuth = errors.New("testserver: not authorized")

// scram is the server's side of one SCRAM exchange (RFC 5802), without channel binding.
type scram struct {
	hash      func() hash.Hash
	nonce     string
	firstBare string
	first     string // the server's
	salted    []byte
}

func scramHash(mechanism string) func() hash.Hash {
	switch mechanism {
	case "SCRAM-SHA-1":
		return sha1.New
	case "SCRAM-SHA-256":
		return sha256.New
	}
	return nil
}

// salt derives the salted password of an account, which is slow enough to be worth remembering.
func (s *Server) salt(mechanism, user string) (salt string, salted []byte, ok bool) {
	password, ok := s.cfg.Accounts[user]
	if !ok {
		return "", nil, false
	}
	salt = "salt of " + user
	key := mechanism + " " + user
	s.mu.RLock()
	salted = s.salted[key]
	s.mu.RUnlock()
	if salted != nil {
		return salt, salted, true
	}
	h := scramHash(mechanism)
	salted, err := pbkdf2.Key(h, password, []byte(salt), iterations, h().Size())
	if err != nil {
		return "", nil, false
	}
	s.mu.Lock()
	s.salted[key] = salted
	s.mu.Unlock()
	return salt, salted, true
}

// challenge reads the client's first message and returns the server's, and who the client claims to be.
func (x *scram) challenge(s *Server, mechanism string, clientFirst []byte) (user string, msg []byte, err error) {
	x.hash = scramHash(mechanism)
	flags, rest, ok := strings.Cut(string(clientFirst), ",")
	if !ok || flags == "" || flags[0] == 'p' {
		return "", nil, errAuth
	}
	_, x.firstBare, ok = strings.Cut(rest, ",")
	if !ok {
		return "", nil, errAuth
	}
	user = scramAttr(x.firstBare, 'n')
	user = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(user)
	salt, salted, ok := s.salt(mechanism, user)
	nonce := scramAttr(x.firstBare, 'r')
	if !ok || nonce == "" {
		return user, nil, errAuth
	}
	x.salted = salted
	x.nonce = nonce + s.token()
	x.first = "r=" + x.nonce + ",s=" + base64.StdEncoding.EncodeToString([]byte(salt)) + ",i=" + strconv.Itoa(iterations)
	return user, []byte(x.first), nil
}

// verify reads the client's final message and returns the server's.
func (x *scram) verify(clientFinal []byte) ([]byte, error) {
	final := string(clientFinal)
	i := strings.LastIndex(final, ",p=")
	if i < 0 || scramAttr(final, 'r') != x.nonce {
		return nil, errAuth
	}
	proof, err := base64.StdEncoding.DecodeString(final[i+3:])
	if err != nil {
		return nil, errAuth
	}
	message := x.firstBare + "," + x.first + "," + final[:i]
	clientKey := x.mac(x.salted, "Client Key")
	h := x.hash()
	h.Write(clientKey)
	signature := x.mac(h.Sum(nil), message)
	if len(proof) != len(clientKey) {
		return nil, errAuth
	}
	subtle.XORBytes(proof, proof, signature)
	if !hmac.Equal(proof, clientKey) {
		return nil, errAuth
	}
	sign := x.mac(x.mac(x.salted, "Server Key"), message)
	return []byte("v=" + base64.StdEncoding.EncodeToString(sign)), nil
}

func (x *scram) mac(key []byte, message string) []byte {
	m := hmac.New(x.hash, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}

func scramAttr(message string, name byte) string {
	for _, part := range strings.Split(message, ",") {
		if len(part) > 1 && part[0] == name && part[1] == '=' {
			return part[2:]
		}
	}
	return ""
}
