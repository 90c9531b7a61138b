package xep

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// maxIgnored bounds [ServerInfo.Ignored] for each level: enough to see what a publisher gets wrong, too little to be worth flooding.
// It is for each level, so that no amount of noise hides a fault that counts.
const maxIgnored = 64

// slabSize is the number of connections that are allocated at once.
const slabSize = 128

// Unmarshal decodes a payload that is held in memory as a whole, within the default [Limits].
//
// It accepts what real servers send and XEP-0485 does not allow: unknown directions, empty names, no domain, several domains,
// unknown elements and attributes, and text in between.
// What has no place in the result is noted in Ignored.
// It refuses what is not XML as XMPP permits it ([ErrSyntax]), another element ([ErrNotServerInfo]), and what is too large
// ([ErrLimit]).
func Unmarshal(b []byte) (*ServerInfo, error) {
	return Limits{}.Unmarshal(b)
}

// Unmarshal is [Unmarshal] within these limits.
func (l Limits) Unmarshal(b []byte) (*ServerInfo, error) {
	l = l.withDefaults()
	if len(b) > l.Bytes {
		return nil, &LimitError{What: "bytes", Max: l.Bytes}
	}
	s := xmlscan.New(b, xmlscan.Limits{Depth: l.Depth})
	if !s.Next() {
		return nil, scanError(s.Err())
	}
	info, err := Decode(s, l)
	if err != nil {
		return nil, err
	}
	// One more step reads to the end, and finds out whether there is anything else.
	if s.Next(); s.Err() != nil {
		return nil, scanError(s.Err())
	}
	return info, nil
}

// Decode decodes the payload whose start tag is the scanner's current token, and leaves the scanner on its end tag.
//
// It is for the packages of this module, which read payloads out of whole stanzas.
func Decode(s *xmlscan.Scanner, lim Limits) (*ServerInfo, error) {
	if s.Kind() != xmlscan.Start || !s.Is(NS, "serverinfo") {
		return nil, notServerInfo(s.Space(), s.Local())
	}
	d := decoder{s: s, lim: lim.withDefaults(), info: new(ServerInfo)}
	if err := d.element(place{}, ""); err != nil {
		return nil, err
	}
	return d.info, nil
}

func notForm(space, local string) error {
	return fmt.Errorf("xep: %q in %q is not a data form", shorten(local), shorten(space))
}

func notServerInfo(space, local string) error {
	return fmt.Errorf("%w but %q in %q", ErrNotServerInfo, shorten(local), shorten(space))
}

// scanError gives the scanner's errors the types of this package.
func scanError(err error) error {
	if errors.Is(err, xmlscan.ErrLimit) {
		return fmt.Errorf("%w: %v", ErrLimit, err)
	}
	return fmt.Errorf("%w: %v", ErrSyntax, err)
}

type decoder struct {
	s    *xmlscan.Scanner
	lim  Limits
	info *ServerInfo

	remotes, connections, extensions, extensionBytes int
	// musts, shoulds and others count what was noted in Ignored, by level.
	musts, shoulds, others int

	// slab is where connections come from, as most remote domains have one or two.
	slab []Connection
	// from is where in the slab those of the current remote domain begin.
	from int
}

// element reads the element at a place, whose start tag is current, and returns on its end tag.
// Its attributes have been read, except that those other than the known one are noted.
func (d *decoder) element(at place, known string) error {
	d.attributes(at, known)
	depth := d.s.Depth()
	for i := 0; d.s.Next(); {
		switch d.s.Kind() {
		case xmlscan.End:
			if d.s.Depth() == depth {
				return nil
			}
		case xmlscan.Text:
			// The schema has text in a connection, though nothing that it could mean.
			if at.level != atConnection && len(bytes.TrimSpace(d.s.Text())) > 0 {
				d.ignore(CodeStrayText, Schema, secSchema, at, "", "holds text")
			}
		case xmlscan.Start:
			if err := d.child(at, &i); err != nil {
				return err
			}
		}
	}
	return scanError(d.s.Err())
}

// attributes notes those that have no place in the types.
func (d *decoder) attributes(at place, known string) {
	for a := range d.s.Attrs() {
		if a.Space != "" || a.Local != known {
			d.ignore(CodeUnknownAttribute, Schema, secSchema, at, attributeName(a), "is not an attribute of this element")
		}
	}
}

// attributeName tells xml:lang and an attribute of another namespace from those that are ours.
func attributeName(a xmlscan.Attr) string {
	switch a.Space {
	case "":
		return "@" + shorten(a.Local)
	case nsXML:
		return "@xml:" + shorten(a.Local)
	}
	return "@{" + shorten(a.Space) + "}" + shorten(a.Local)
}

// child reads one child element of the element at a place. The index counts those that have one in their path.
func (d *decoder) child(at place, index *int) error {
	s := d.s
	switch {
	case at.level == atRoot && s.Is(NS, "domain"):
		return d.domain()
	case at.level == atDomain && s.Is(NS, "federation"):
		return d.federation(at)
	case at.level == atFederation && s.Is(NS, "remote-domain"):
		return d.remoteDomain(at)
	case at.level == atRemote && s.Is(NS, "connection"):
		at.level, at.connection = atConnection, *index
		*index++
		return d.connection(at)
	case at.level > atDomain:
		d.ignore(CodeUnknownElement, Schema, secSchema, at, shorten(s.Local()), "is not an element of this element")
	case s.Space() == "" || s.Space() == NS:
		d.ignore(CodeExtensionNamespace, Must, secFormat, at, shorten(s.Local()), "is not in a namespace of its own")
	default:
		return d.extension(at)
	}
	return d.skip()
}

func (d *decoder) skip() error {
	if err := d.s.Skip(); err != nil {
		return scanError(err)
	}
	return nil
}

func (d *decoder) domain() error {
	if len(d.info.Domains) >= d.lim.Domains {
		return &LimitError{What: "domains", Max: d.lim.Domains}
	}
	name, _ := d.s.Attr("name")
	at := place{level: atDomain, domain: len(d.info.Domains)}
	d.info.Domains = append(d.info.Domains, Domain{Name: strings.Clone(name)})
	return d.element(at, "name")
}

// current is the domain being read: the last one.
func (d *decoder) current() *Domain {
	return &d.info.Domains[len(d.info.Domains)-1]
}

// federation adds to what an earlier one said, if the domain has two.
func (d *decoder) federation(at place) error {
	at.level = atFederation
	if d.current().Federation == nil {
		d.current().Federation = new(Federation)
	} else {
		d.ignore(CodeRepeated, Should, secFormat, at, "", "occurs again")
	}
	return d.element(at, "")
}

func (d *decoder) remoteDomain(at place) error {
	if d.remotes++; d.remotes > d.lim.RemoteDomains {
		return &LimitError{What: "remote domains", Max: d.lim.RemoteDomains}
	}
	f := d.current().Federation
	at.level, at.remote = atRemote, len(f.RemoteDomains)
	name, named := d.s.Attr("name")
	if named && name == "" {
		d.ignore(CodeRemoteName, Must, secFormat, at, "@name", "is empty")
	}
	// The scanner's strings share the memory of the whole document, which a name must not keep alive.
	f.RemoteDomains = append(f.RemoteDomains, RemoteDomain{Name: strings.Clone(name)})
	d.from = len(d.slab)
	if err := d.element(at, "name"); err != nil {
		return err
	}
	if n := len(d.slab); n > d.from {
		// The capacity ends with the length, so that appending to one remote domain leaves the next one alone.
		f.RemoteDomains[at.remote].Connections = d.slab[d.from:n:n]
	}
	return nil
}

func (d *decoder) connection(at place) error {
	if d.connections++; d.connections > d.lim.Connections {
		return &LimitError{What: "connections", Max: d.lim.Connections}
	}
	direction, typed := d.s.Attr("type")
	if typed && direction == "" {
		d.ignore(CodeConnectionType, Must, secFormat, at, "@type", notOne(""))
	}
	if len(d.slab) == cap(d.slab) {
		// Those of the current remote domain move along; finished ones stay where they are.
		moved := d.slab[d.from:]
		d.slab = append(make([]Connection, 0, slabSize+2*len(moved)), moved...)
		d.from = 0
	}
	d.slab = append(d.slab, Connection{Direction: intern(direction)})
	return d.element(at, "type")
}

// intern spares the usual directions an allocation.
func intern(direction string) Direction {
	for _, d := range [...]Direction{Incoming, Outgoing, Bidi, both} {
		if string(d) == direction {
			return d
		}
	}
	return Direction(strings.Clone(direction))
}

// extension reads a child in a foreign namespace.
func (d *decoder) extension(at place) error {
	if d.extensions++; d.extensions > d.lim.Extensions {
		return &LimitError{What: "extension elements", Max: d.lim.Extensions}
	}
	space, local := strings.Clone(d.s.Space()), strings.Clone(d.s.Local())
	if isKnown(space, local, at.level == atDomain) {
		if space == NSVersion {
			return d.software(at)
		}
		return d.users(at)
	}
	b, err := d.s.Element()
	if err != nil {
		return scanError(err)
	}
	if err := d.spend(len(b)); err != nil {
		return err
	}
	e, ok := newExtension(space, local, b)
	if err := d.spend(len(e.XML) - len(b)); err != nil {
		return err
	}
	if !ok {
		d.ignore(CodeExtensionXML, Must, secFormat, at, shorten(local), "can't stand alone")
		return nil
	}
	if at.level == atRoot {
		d.info.Extensions = append(d.info.Extensions, e)
	} else {
		d.current().Extensions = append(d.current().Extensions, e)
	}
	return nil
}

// spend counts bytes of extensions.
func (d *decoder) spend(n int) error {
	if d.extensionBytes += n; d.extensionBytes > d.lim.ExtensionBytes {
		return &LimitError{What: "bytes of extension elements", Max: d.lim.ExtensionBytes}
	}
	return nil
}

// text reads the text of a small element.
func (d *decoder) text() (string, error) {
	text, err := d.s.InnerText(d.lim.ExtensionBytes)
	if err != nil {
		return "", scanError(err)
	}
	return strings.Clone(text), d.spend(len(text))
}

func (d *decoder) software(at place) error {
	field := &d.info.Software
	if at.level == atDomain {
		field = &d.current().Software
	}
	if *field != nil {
		d.ignore(CodeRepeated, Should, secFormat, at, "query", "occurs again")
		return d.skip()
	}
	software := new(Software)
	for depth := d.s.Depth(); d.s.Child(depth); {
		var into *string
		switch {
		case d.s.Is(NSVersion, "name"):
			into = &software.Name
		case d.s.Is(NSVersion, "version"):
			into = &software.Version
		case d.s.Is(NSVersion, "os"):
			into = &software.OS
		default:
			continue
		}
		text, err := d.text()
		if err != nil {
			return err
		}
		*into = text
	}
	if err := d.s.Err(); err != nil {
		return scanError(err)
	}
	*field = software
	return nil
}

func (d *decoder) users(at place) error {
	var count *uint64
	for depth := d.s.Depth(); d.s.Child(depth); {
		if !d.s.Is(NSUsers, "active") {
			continue
		}
		text, err := d.text()
		if err != nil {
			return err
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64); err == nil && count == nil {
			count = &n
		}
	}
	switch {
	case d.s.Err() != nil:
		return scanError(d.s.Err())
	case count == nil:
		d.ignore(CodeUsers, Should, secFormat, at, "users.active", "is not a number")
	case d.current().ActiveUsers != nil:
		d.ignore(CodeRepeated, Should, secFormat, at, "users", "occurs again")
	default:
		d.current().ActiveUsers = count
	}
	return nil
}

// ignore notes what is left out at a place, or below it at what follows an '@' or a '.'.
//
// The path is put together only if there is still room, so that noise costs next to nothing.
func (d *decoder) ignore(code Code, level Level, section string, at place, below, message string) {
	noted := &d.others
	switch level {
	case Must:
		noted = &d.musts
	case Should:
		noted = &d.shoulds
	}
	if *noted >= maxIgnored {
		return
	}
	*noted++
	path := at.String()
	switch {
	case strings.HasPrefix(below, "@"):
		path += below
	case below != "":
		path = at.child(below)
	}
	d.info.Ignored = append(d.info.Ignored, Deviation{Code: code, Level: level, Section: section, Path: path, Message: message})
}
