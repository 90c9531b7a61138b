package xep

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"mellium.im/xmpp/jid"
)

const (
	// maxNameInput bounds what is looked at in bytes: RFC 7622 §3.2 allows no longer domainpart, however it is encoded.
	maxNameInput = 1023
	// maxName bounds the canonical form in bytes, as a longer name has no place in the DNS and so can't federate (RFC 1035 §2.3.4).
	maxName   = 253
	maxLabel  = 63
	acePrefix = "xn--"
)

// Underscores and hyphens are left to our own check, because names that IDNA refuses for them exist and federate.
// The bidi rule is left out for the same reason: such a name is shown in its ASCII form, see [Name.Unicode].
var (
	nameProfile    = idna.New(idna.MapForLookup(), idna.StrictDomainName(false), idna.CheckHyphens(false))
	displayProfile = idna.New(idna.MapForLookup(), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.BidiRule())
)

// Name is a domain name in canonical form: lower case, A-labels, without a trailing dot.
//
// Two names are the same domain exactly when they are equal with ==, so a Name serves as a map key.
// The zero value is no name.
type Name struct {
	ascii string
}

// NameError says why a string is not a domain name.
type NameError struct {
	// Name is the refused string, cut to a length that is fit for a log line.
	Name string
	// Reason completes the sentence "this is not a domain name because it …".
	Reason string
}

// Error implements error.
func (e *NameError) Error() string {
	return "xep: domain name " + strconv.Quote(e.Name) + " " + e.Reason
}

func nameError(s, reason string) error {
	return &NameError{Name: shorten(s), Reason: reason}
}

// shorten keeps what a stranger sent from flooding a message.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:most], "\uFFFD") + "…"
}

// ParseName returns the canonical form of a domain name.
//
// It accepts any case, U-labels and A-labels, one trailing dot, and IP addresses in the forms of RFC 7622 §3.2 (IPv6 in brackets).
// Names that break the rules for host names but exist in the DNS are accepted too: underscores, and hyphens anywhere in a label.
// It refuses empty labels, labels above 63 bytes, names above 253 bytes in ASCII, A-labels that encode nothing,
// ports, and every other character.
// The error is a [*NameError].
//
// It is idempotent: parsing the result of [Name.String] or [Name.Unicode] gives the same Name.
func ParseName(s string) (Name, error) {
	if canonical(s) {
		return Name{ascii: s}, nil
	}
	if s == "" {
		return Name{}, nameError(s, "is empty")
	}
	if len(s) > maxNameInput {
		return Name{}, nameError(s, "is longer than 1023 bytes")
	}
	if s[0] == '[' {
		return parseIPv6(s)
	}
	ascii := s
	if needsIDNA(s) {
		var err error
		if ascii, err = toASCII(s); err != nil {
			return Name{}, err
		}
	}
	ascii = strings.TrimSuffix(ascii, ".")
	if reason := checkASCII(ascii); reason != "" {
		return Name{}, nameError(s, reason)
	}
	// ToLower returns its argument where there is nothing to do, and allocates nothing.
	return Name{ascii: strings.ToLower(ascii)}, nil
}

// canonical reports whether a name obviously is in canonical form, as nearly all are. It looks at each byte once.
func canonical(s string) bool {
	if len(s) > maxName {
		return false
	}
	start, letters := 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z':
			letters = true
		case '0' <= c && c <= '9', c == '_':
		case c == '-':
			// Two in a row may be an A-label.
			if i > 0 && s[i-1] == '-' {
				return false
			}
		case c == '.' && i > start && i-start <= maxLabel:
			start, letters = i+1, false
		default:
			return false
		}
	}
	return letters && len(s)-start <= maxLabel
}

// MustName is [ParseName] for constants and tests: it panics where that fails.
func MustName(s string) Name {
	n, err := ParseName(s)
	if err != nil {
		panic(err)
	}
	return n
}

// NameOf returns the domainpart of an address as a Name.
//
// It fails for the few domainparts that package jid accepts and the DNS can't hold, such as one with an empty label.
func NameOf(j jid.JID) (Name, error) {
	return ParseName(j.Domainpart())
}

// needsIDNA reports whether a name holds anything that only the costly path can judge: non-ASCII bytes and A-labels.
func needsIDNA(s string) bool {
	label := true
	for i := range len(s) {
		if s[i] >= 0x80 || label && hasACEPrefix(s[i:]) {
			return true
		}
		label = s[i] == '.'
	}
	return false
}

func hasACEPrefix(s string) bool {
	return len(s) >= len(acePrefix) && (s[0] == 'x' || s[0] == 'X') && strings.EqualFold(s[:len(acePrefix)], acePrefix)
}

// toASCII maps a name with U-labels or A-labels and refuses it unless the result maps to itself.
func toASCII(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", nameError(s, "is not UTF-8")
	}
	once, err := nameProfile.ToASCII(s)
	if err != nil {
		return "", nameError(s, "is not an internationalized domain name: "+err.Error())
	}
	twice, err := nameProfile.ToASCII(once)
	if err != nil || twice != once {
		return "", nameError(s, "has no stable A-label form")
	}
	return once, nil
}

// checkASCII returns why a name without its trailing dot is refused, or nothing.
func checkASCII(s string) string {
	if len(s) > maxName {
		return "is longer than 253 bytes in its ASCII form"
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if reason := checkByte(s[i]); reason != "" {
				return reason
			}
			continue
		}
		if i == start {
			return "has an empty label"
		}
		if i-start > maxLabel {
			return "has a label longer than 63 bytes"
		}
		if i < len(s) {
			start = i + 1
		}
	}
	return checkNumeric(s, s[start:])
}

func checkByte(c byte) string {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', 'A' <= c && c <= 'Z':
		return ""
	case c == ':':
		return "holds a colon: a port is not part of a domain name, and an IPv6 address needs brackets"
	case c == '@', c == '/':
		return "is an address with more than a domain in it"
	default:
		return "holds " + strconv.QuoteRune(rune(c)) + ", which no domain name does"
	}
}

// checkNumeric refuses what looks like an IPv4 address but isn't one, because resolvers disagree on what it means.
// No top-level domain is a number (RFC 3696 §2).
func checkNumeric(s, last string) string {
	for i := range len(last) {
		if last[i] < '0' || last[i] > '9' {
			return ""
		}
	}
	if a, err := netip.ParseAddr(s); err != nil || !a.Is4() {
		return "ends in a number and is not an IPv4 address"
	}
	return ""
}

func parseIPv6(s string) (Name, error) {
	if len(s) < 2 || s[len(s)-1] != ']' {
		return Name{}, nameError(s, "is not an IPv6 address in brackets")
	}
	a, err := netip.ParseAddr(s[1 : len(s)-1])
	if err != nil || !a.Is6() || a.Zone() != "" {
		return Name{}, nameError(s, "is not an IPv6 address in brackets")
	}
	return Name{ascii: "[" + a.String() + "]"}, nil
}

// String returns the name with A-labels, which is its canonical form, or nothing for the zero Name.
func (n Name) String() string { return n.ascii }

// Unicode returns the name with U-labels, for people to read.
//
// A name whose U-labels could mislead or don't lead back to the same name stays in ASCII: those that break the bidi rule of RFC 5893,
// and those with a label that passes for a Latin one, because it mixes Latin with letters of a script that has such letters, or consists of nothing else.
func (n Name) Unicode() string {
	if !needsIDNA(n.ascii) {
		return n.ascii
	}
	u, err := displayProfile.ToUnicode(n.ascii)
	if err != nil {
		return n.ascii
	}
	if back, err := ParseName(u); err != nil || back != n || passesForLatin(u) {
		return n.ascii
	}
	return u
}

// IsZero reports whether n is no name at all.
func (n Name) IsZero() bool { return n.ascii == "" }

// IsIP reports whether n is an IP address rather than a name in the DNS.
func (n Name) IsIP() bool {
	if n.ascii == "" {
		return false
	}
	last := n.ascii[len(n.ascii)-1]
	if last == ']' {
		return true
	}
	if last < '0' || last > '9' {
		return false
	}
	_, err := netip.ParseAddr(n.ascii)
	return err == nil
}

// Addressable reports whether [Name.JID] succeeds.
//
// It is false for names that exist and that package jid refuses, such as "_xmpp.example" and "r3---sn.example":
// they can be counted and shown, but nothing can be sent to them.
func (n Name) Addressable() bool {
	if n.plain() {
		return true
	}
	_, err := n.JID()
	return err == nil
}

// plain reports whether every label is one that package jid accepts without looking at it twice.
func (n Name) plain() bool {
	s := n.ascii
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if c := s[i]; c == '_' || c == '[' {
				return false
			}
			continue
		}
		label := s[start:i]
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || len(label) >= 4 && label[2:4] == "--" {
			return false
		}
		start = i + 1
	}
	return true
}

// JID returns the address of the domain itself.
//
// It fails where [Name.Addressable] is false, and for the zero Name.
func (n Name) JID() (jid.JID, error) {
	if n.IsZero() {
		return jid.JID{}, nameError("", "is empty")
	}
	j, err := jid.New("", n.ascii, "")
	if err != nil {
		return jid.JID{}, nameError(n.ascii, "is not addressable: "+err.Error())
	}
	// An address that leads to another name would be a message to the wrong domain.
	if back, err := NameOf(j); err != nil || back != n {
		return jid.JID{}, nameError(n.ascii, "is not addressable: its address names another domain")
	}
	return j, nil
}

// Compare orders names by their ASCII form and returns -1, 0 or +1.
func (n Name) Compare(other Name) int { return strings.Compare(n.ascii, other.ascii) }

// MarshalText returns the ASCII form, so that a Name can be a value and a key in JSON.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.ascii), nil }

// UnmarshalText is [ParseName], except that empty text is the zero Name.
func (n *Name) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*n = Name{}
		return nil
	}
	parsed, err := ParseName(string(text))
	if err != nil {
		return err
	}
	*n = parsed
	return nil
}
