package testserver

import (
	"strings"
	"sync"
)

// Attack is one hostile stanza.
type Attack struct {
	// Name says what is wrong with it.
	Name string
	// Fault is the fault that sends it.
	Fault Fault
	// XML is the stanza. Elements without a namespace are in that of the stream.
	XML string
}

// Attacks returns the small hostile stanzas that a domain can have relayed to a session: those of the faults
// [BadAddresses], [EmptyIQs], [StreamsStanza] and [OddStanzas].
//
// from is the hostile domain, to the address of the session.
func Attacks(from, to string) []Attack {
	b := attackList{from: from, to: to}
	b.badAddresses()
	b.emptyIQs()
	b.streams()
	b.odd()
	return b.all
}

type attackList struct {
	from, to string
	all      []Attack
}

// add builds a stanza; typ may be empty.
func (l *attackList) add(f Fault, name, kind, typ, from, inner string) {
	b := []byte("<" + kind)
	if typ != "" {
		b = appendAttr(b, "type", typ)
	}
	if kind == "iq" {
		b = appendAttr(b, "id", "attack")
	}
	b = appendAttr(b, "from", from)
	b = appendAttr(b, "to", l.to)
	l.all = append(l.all, Attack{Name: name, Fault: f, XML: string(b) + ">" + inner + "</" + kind + ">"})
}

// badAddresses are senders that nodeprep lets pass and PRECIS does not, and domains that exist although IDNA refuses them.
func (l *attackList) badAddresses() {
	d := l.from
	for _, a := range []struct{ name, from string }{
		{"local part snowman", "☃@" + d},
		{"local part with #", "c#@" + d},
		{"resource lone jamo", "a@" + d + "/ᄀ"},
		{"resource with joined emoji", "a@" + d + "/👨‍👩‍👧"},
		{"resource with variation selector", "a@" + d + "/❤️"},
		{"resource with a space only", "a@" + d + "/ "},
		{"empty resource", d + "/"},
		{"domain with underscore", "_a." + d},
		{"domain with leading hyphen", "-a." + d},
		{"domain with trailing hyphen", "a-." + d},
		{"domain with hyphens in positions 3 and 4", "ab--cd." + d},
		{"domain with bad A-label", "xn--a." + d},
		{"domain label of 64 bytes", strings.Repeat("a", 64) + "." + d},
		{"domain snowman", "☃." + d},
		{"domain with two dots", "a.." + d},
		{"local part of 1024 bytes", strings.Repeat("a", 1024) + "@" + d},
	} {
		l.add(BadAddresses, "message from "+a.name, "message", "", a.from, "<body>hi</body>")
		l.add(BadAddresses, "iq get from "+a.name, "iq", "get", a.from, "<ping xmlns='"+nsPing+"'/>")
		l.add(BadAddresses, "iq result from "+a.name, "iq", "result", a.from, "<q xmlns='urn:example:q'/>")
		l.add(BadAddresses, "presence from "+a.name, "presence", "", a.from, "")
	}
	to := l.to
	l.to = "☃@" + domainOf(to)
	l.add(BadAddresses, "message to local part snowman", "message", "", d, "<body>hi</body>")
	l.to = to
}

func (l *attackList) emptyIQs() {
	for _, typ := range []string{"get", "set", "result", "error", "zork", ""} {
		name := typ
		if typ == "" {
			name = "missing"
		}
		l.add(EmptyIQs, "iq of type "+name+" without a child", "iq", typ, l.from, "")
		l.add(EmptyIQs, "iq of type "+name+" with text only", "iq", typ, l.from, "text")
		l.add(EmptyIQs, "iq of type "+name+" with text first", "iq", typ, l.from, "text<q xmlns='urn:example:q'/>")
		l.add(EmptyIQs, "iq of type "+name+" with white space first", "iq", typ, l.from, " \n<q xmlns='urn:example:q'/> ")
		l.add(EmptyIQs, "iq of type "+name+" with two children", "iq", typ, l.from, "<q xmlns='urn:example:q'/><q xmlns='urn:example:q'/>")
	}
}

func (l *attackList) streams() {
	const ns = " xmlns='" + nsStream + "'"
	for _, a := range []struct{ name, inner string }{
		{"error", "<error" + ns + "><x/></error>"},
		{"an unknown element", "<foo" + ns + "/>"},
		{"stream", "<stream" + ns + "/>"},
		{"features, deep", "<a xmlns='urn:example:a'><b><features" + ns + "/></b></a>"},
		{"error by the stream's own prefix", "<a><stream:error/></a>"},
		{"an element by a prefix of its own", "<a xmlns:s='" + nsStream + "'><b><s:c/></b></a>"},
		{"an element by a namespace with a reference in it", "<a xmlns='http://etherx.jabber.org/stream&#115;'/>"},
		{"features, very deep", strings.Repeat("<a>", 40) + "<features" + ns + "/>" + strings.Repeat("</a>", 40)},
	} {
		l.add(StreamsStanza, "message with "+a.name+" of the streams namespace", "message", "", l.from, a.inner)
		l.add(StreamsStanza, "iq get with "+a.name+" of the streams namespace", "iq", "get", l.from, a.inner)
		l.add(StreamsStanza, "iq result with "+a.name+" of the streams namespace", "iq", "result", l.from, a.inner)
	}
}

func (l *attackList) odd() {
	l.add(OddStanzas, "message of unknown type", "message", "zork", l.from, "<body>hi</body>")
	l.add(OddStanzas, "presence of unknown type", "presence", "zork", l.from, "")
	l.add(OddStanzas, "message with bare text", "message", "", l.from, "text")
	l.add(OddStanzas, "message without a child", "message", "", l.from, "")
	l.add(OddStanzas, "iq get of an unknown namespace", "iq", "get", l.from, "<q xmlns='urn:example:q'/>")
	l.add(OddStanzas, "error without a condition", "iq", "error", l.from, "<error/>")
	l.add(OddStanzas, "error with text before the error element", "iq", "error", l.from, "text<error type='cancel'/>")
	l.add(OddStanzas, "error of unknown type", "iq", "error", l.from, "<error type='zork'><zork xmlns='"+nsStanzas+"'/></error>")
	l.add(OddStanzas, "event without items", "message", "headline", l.from, "<event xmlns='http://jabber.org/protocol/pubsub#event'/>")
	l.add(OddStanzas, "event of a forged node", "message", "headline", l.from,
		"<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='serverinfo'><item id='current'>"+
			"<serverinfo xmlns='"+nsServerInfo+"'><domain name='victim.example'/></serverinfo></item></items></event>")
	l.add(OddStanzas, "message with a thousand attributes", "message", "", l.from, "<a"+manyAttrs(1000)+"/>")
	l.add(OddStanzas, "message with a thousand prefixes", "message", "", l.from, "<a"+manyPrefixes(1000)+"/>")
}

func manyAttrs(n int) string {
	var b []byte
	for i := range n {
		b = appendAttr(b, "a"+itoa(i), "")
	}
	return string(b)
}

func manyPrefixes(n int) string {
	var b []byte
	for i := range n {
		b = appendAttr(b, "xmlns:p"+itoa(i), "urn:example:"+itoa(i))
	}
	return string(b)
}

// unsolicited makes the stanzas that a domain's faults send along with each request.
func (r *request) unsolicited(f Fault, opts FaultOptions) []segment {
	var all []segment
	from := r.host.Name()
	if f&(BadAddresses|EmptyIQs|StreamsStanza|OddStanzas) != 0 {
		var b []byte
		for _, a := range Attacks(from, r.from) {
			if a.Fault&f != 0 {
				b = append(b, a.XML...)
			}
		}
		all = append(all, segment{b: b})
	}
	if f&ForgedReplies != 0 {
		var b []byte
		for _, id := range r.c.recent {
			if id != "" {
				b = append(b, r.forged(id, from)...)
			}
		}
		all = append(all, segment{b: b})
	}
	head := string(appendAttr(appendAttr([]byte("<message"), "from", from), "to", r.from)) + ">"
	if f&HugeStanza != 0 {
		all = append(all, segment{b: []byte(head + "<a x='")}, fill("f", opts.Bytes), segment{b: []byte("'/></message>")})
	}
	if f&DeepStanza != 0 {
		all = append(all, segment{b: []byte(head)}, fill("<a>", opts.Depth), fill("</a>", opts.Depth), segment{b: []byte("</message>")})
	}
	if f&EventFlood != 0 {
		const event = "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='serverinfo'><item id='current'>" +
			"<serverinfo xmlns='" + nsServerInfo + "'/></item></items></event></message>"
		one := appendAttr([]byte("<message type='headline'"), "from", r.host.Service())
		one = append(append(appendAttr(one, "to", r.from), '>'), event...)
		all = append(all, segment{b: []byte(strings.Repeat(string(one), opts.Flood))})
	}
	return all
}

var fillers struct {
	sync.Mutex
	m map[string][]byte
}

// fill returns a unit repeated n times, from memory that all hostile domains share.
func fill(unit string, n int) segment {
	fillers.Lock()
	defer fillers.Unlock()
	if fillers.m == nil {
		fillers.m = make(map[string][]byte)
	}
	size := n * len(unit)
	if len(fillers.m[unit]) < size {
		fillers.m[unit] = []byte(strings.Repeat(unit, n))
	}
	return segment{b: fillers.m[unit][:size], shared: true}
}
