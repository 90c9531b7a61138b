package connect

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// scramHash is a hash function with its name in SCRAM.
type scramHash struct {
	name string
	new  func() hash.Hash
}

// hashes are in the order of preference.
var hashes = []scramHash{{"SHA-512", sha512.New}, {"SHA-256", sha256.New}, {"SHA-1", sha1.New}}

// The bounds on the number of iterations that a server may ask for.
// RFC 5802 recommends 4096 at least; what is far more than any server uses would only burn our time.
const (
	minIterations = 1000
	maxIterations = 1 << 20
)

// scram is the client's side of SCRAM without channel binding (RFC 5802).
type scram struct {
	hash     scramHash
	password string
	bare     string // client-first-message-bare
	nonce    string

	serverSignature []byte
	steps           int
	ok              bool
}

func newScram(h scramHash, user, password string) *scram {
	user = strings.NewReplacer("=", "=3D", ",", "=2C").Replace(norm.NFKC.String(user))
	nonce := rand.Text()
	return &scram{hash: h, password: norm.NFKC.String(password), nonce: nonce, bare: "n=" + user + ",r=" + nonce}
}

func (s *scram) begin() ([]byte, error) { return []byte("n,," + s.bare), nil }

func (s *scram) verified() bool { return s.ok }

func (s *scram) answer(msg []byte) ([]byte, error) {
	s.steps++
	switch s.steps {
	case 1:
		return s.prove(string(msg))
	case 2:
		return nil, s.verify(string(msg))
	}
	return nil, errors.New("unexpected challenge")
}

// prove answers the server-first-message with the client's proof.
func (s *scram) prove(first string) ([]byte, error) {
	nonce, salt, iterations, err := parseServerFirst(first)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return nil, errors.New("server's nonce does not continue ours")
	}
	salted, err := pbkdf2.Key(s.hash.new, s.password, salt, iterations, s.hash.new().Size())
	if err != nil {
		return nil, err
	}
	final := "c=biws,r=" + nonce
	auth := s.bare + "," + first + "," + final
	clientKey := s.mac(salted, "Client Key")
	h := s.hash.new()
	h.Write(clientKey)
	proof := s.mac(h.Sum(nil), auth)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	s.serverSignature = s.mac(s.mac(salted, "Server Key"), auth)
	return []byte(final + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// verify checks the server's proof, without which anyone could have said that all is well.
func (s *scram) verify(final string) error {
	v, ok := strings.CutPrefix(final, "v=")
	if !ok {
		return fmt.Errorf("server's final message %q", final)
	}
	v, _, _ = strings.Cut(v, ",")
	signature, err := base64.StdEncoding.DecodeString(v)
	if err != nil || !hmac.Equal(signature, s.serverSignature) {
		return errors.New("the server does not know the password")
	}
	s.ok = true
	return nil
}

func (s *scram) mac(key []byte, text string) []byte {
	m := hmac.New(s.hash.new, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// parseServerFirst reads the nonce, the salt and the number of iterations.
func parseServerFirst(msg string) (nonce string, salt []byte, iterations int, err error) {
	parts := strings.Split(msg, ",")
	if len(parts) < 3 || !strings.HasPrefix(parts[0], "r=") || !strings.HasPrefix(parts[1], "s=") || !strings.HasPrefix(parts[2], "i=") {
		return "", nil, 0, fmt.Errorf("server's first message %q", msg)
	}
	if salt, err = base64.StdEncoding.DecodeString(parts[1][2:]); err != nil || len(salt) == 0 {
		return "", nil, 0, errors.New("unreadable salt")
	}
	if iterations, err = strconv.Atoi(parts[2][2:]); err != nil || iterations < minIterations || iterations > maxIterations {
		return "", nil, 0, fmt.Errorf("%q iterations", parts[2][2:])
	}
	return parts[0][2:], salt, iterations, nil
}
