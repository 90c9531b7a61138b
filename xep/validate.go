package xep

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	secFormat  = "§4"
	secSchema  = "§9"
	secVersion = "XEP-0092 §3"
)

// place is where in a payload something stands, turned into a path only when there is something to report.
type place struct {
	level                      level
	domain, remote, connection int
}

// level is a level of the payload's nesting.
type level uint8

const (
	atRoot level = iota
	atDomain
	atFederation
	atRemote
	atConnection
)

func (p place) String() string {
	if p.level == atRoot {
		return "serverinfo"
	}
	b := append(make([]byte, 0, 64), "domain["...)
	b = append(strconv.AppendInt(b, int64(p.domain), 10), ']')
	if p.level >= atFederation {
		b = append(b, ".federation"...)
	}
	if p.level >= atRemote {
		b = append(b, ".remote-domain["...)
		b = append(strconv.AppendInt(b, int64(p.remote), 10), ']')
	}
	if p.level >= atConnection {
		b = append(b, ".connection["...)
		b = append(strconv.AppendInt(b, int64(p.connection), 10), ']')
	}
	return string(b)
}

// child returns the path of something below, which needs no prefix at the root.
func (p place) child(name string) string {
	if p.level == atRoot {
		return name
	}
	return p.String() + "." + name
}

// Validate returns every deviation from XEP-0485: those of the value, in document order, and then those that [Unmarshal] noted in
// Ignored.
//
// Prose and schema are told apart by the level, because they contradict each other: a payload with deviations of level [Schema]
// alone is as valid as most real ones.
// The result is nil for a payload without any.
func (si *ServerInfo) Validate() []Deviation {
	v := &validator{full: true}
	v.serverInfo(si)
	return append(v.found, si.Ignored...)
}

// musts returns what [Marshal] refuses, without the cost of looking for the rest.
func (si *ServerInfo) musts() []Deviation {
	v := new(validator)
	v.serverInfo(si)
	return v.found
}

type validator struct {
	full  bool
	found []Deviation
}

func (v *validator) add(code Code, level Level, section, path, message string) {
	v.found = append(v.found, Deviation{Code: code, Level: level, Section: section, Path: path, Message: message})
}

func (v *validator) serverInfo(si *ServerInfo) {
	if len(si.Domains) == 0 {
		v.add(CodeNoDomain, Must, secFormat, "serverinfo", "describes no domain")
	}
	var seen map[Name]int
	if v.full {
		seen = make(map[Name]int)
	}
	for i := range si.Domains {
		at := place{level: atDomain, domain: i}
		if v.full && i == 1 {
			v.add(CodeDomainCount, Schema, secSchema, at.String(), "there is more than one domain")
		}
		v.domain(&si.Domains[i], at, seen)
	}
	v.software(si.Software, place{})
	v.extensions(si.Extensions, place{}, false)
}

func (v *validator) domain(d *Domain, at place, seen map[Name]int) {
	if d.Name == "" {
		v.add(CodeDomainName, Must, secFormat, at.String()+"@name", "is missing")
	} else if n, ok := v.name(d.Name, CodeDomainName, at); ok && v.full {
		if first, again := seen[n]; again {
			v.add(CodeDuplicateDomain, Should, secFormat, at.String()+"@name", fmt.Sprintf("%q is domain[%d] already", d.Name, first))
		} else {
			seen[n] = at.domain
		}
	}
	switch {
	case d.Federation != nil:
		v.federation(d.Federation, at)
	case v.full:
		v.add(CodeNoFederation, Schema, secSchema, at.String(), "has no federation element")
	}
	v.software(d.Software, at)
	if d.ActiveUsers != nil && v.full {
		v.add(CodeExtensionElement, Schema, secSchema, at.child("users"), "the schema has no elements of other namespaces")
	}
	v.extensions(d.Extensions, at, true)
}

func (v *validator) federation(f *Federation, at place) {
	var seen map[Name]int
	if v.full {
		seen = make(map[Name]int)
	}
	at.level = atRemote
	for i := range f.RemoteDomains {
		at.remote = i
		v.remoteDomain(&f.RemoteDomains[i], at, seen)
	}
}

func (v *validator) remoteDomain(r *RemoteDomain, at place, seen map[Name]int) {
	if r.Name != "" {
		n, ok := v.name(r.Name, CodeRemoteName, at)
		if ok && v.full {
			if first, again := seen[n]; again {
				v.add(CodeDuplicateRemote, Should, secFormat, at.String()+"@name", fmt.Sprintf("%q is remote-domain[%d] already", r.Name, first))
			} else {
				seen[n] = at.remote
			}
		}
	}
	at.level = atConnection
	for i, c := range r.Connections {
		if c.Direction == "" || c.Direction.Valid() {
			continue
		}
		at.connection = i
		v.add(CodeConnectionType, Must, secFormat, at.String()+"@type", notOne(string(c.Direction)))
	}
}

func notOne(direction string) string {
	return strconv.Quote(shorten(direction)) + " is not one of incoming, outgoing, bidi"
}

// name judges a name that is there, and returns its canonical form if it has one.
func (v *validator) name(s string, code Code, at place) (Name, bool) {
	n, err := ParseName(s)
	if err != nil {
		message := err.Error()
		if e, ok := err.(*NameError); ok {
			message = strconv.Quote(e.Name) + " is not a domain name: it " + e.Reason
		}
		v.add(code, Must, secFormat, at.String()+"@name", message)
		return Name{}, false
	}
	// The form with U-labels is the one of an address (RFC 7622 §3.2), so it is as good as ours.
	if v.full && s != n.String() && s != n.Unicode() {
		v.add(CodeNameForm, Should, secFormat, at.String()+"@name", fmt.Sprintf("%q should be %q", s, n))
	}
	return n, true
}

func (v *validator) software(s *Software, at place) {
	if s == nil {
		return
	}
	path := at.child("query")
	for _, field := range []struct{ name, text string }{{"name", s.Name}, {"version", s.Version}, {"os", s.OS}} {
		if !validText(field.text) {
			v.add(CodeCharacters, Must, secFormat, path+"."+field.name, "holds characters that XML can't carry")
		}
	}
	if !v.full {
		return
	}
	v.add(CodeExtensionElement, Schema, secSchema, path, "the schema has no elements of other namespaces")
	if s.Name == "" {
		v.add(CodeSoftware, Should, secVersion, path+".name", "is missing")
	}
	if s.Version == "" {
		v.add(CodeSoftware, Should, secVersion, path+".version", "is missing")
	}
}

func (v *validator) extensions(extensions []Extension, at place, inDomain bool) {
	for i := range extensions {
		path := at.child("extension[" + strconv.Itoa(i) + "]")
		if code, message := extensions[i].check(inDomain); code != "" {
			v.add(code, Must, secFormat, path, message)
		}
		if v.full {
			v.add(CodeExtensionElement, Schema, secSchema, path, "the schema has no elements of other namespaces")
		}
	}
}

// validText reports whether XML can carry s (XML 1.0 §2.2).
func validText(s string) bool {
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r', r == 0xFFFE, r == 0xFFFF:
			return false
		}
	}
	return true
}
