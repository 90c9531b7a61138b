package testserver

import "strconv"

// Profile is the kind of server that a domain runs, and what publishes its report.
//
// The zero value stands for [Standard], but [Config.Home] defaults to [StockProsody].
type Profile int

// The profiles. Those with "Stock" in their names run no publisher: nodes exist only once a client makes them.
const (
	// Standard does what the examples of XEP-0485 do: node "serverinfo" named in the form, item "current",
	// connections with their directions, unnamed peers as bare <remote-domain/>. The service behaves as Prosody's.
	Standard Profile = iota + 1
	// Prosody is the newest community module: node "serverinfo/<domain>", no connections, a count of active users where one is given.
	Prosody
	// ProsodyOld is an older version of it, whose node has persist_items off: it cannot be fetched, and only subscribers see the item.
	ProsodyOld
	// Ejabberd is the community module of ejabberd: an item without any domain while idle, unnamed peers as name='' with connections,
	// and always both directions.
	Ejabberd
	// Openfire is its plugin: no form, so that the default node holds; items without an id of their own; the direction "both",
	// "incoming" for peers that are outgoing only; unnamed peers with connections.
	Openfire
	// Tigase advertises the feature, and so agrees to be named, but publishes nothing.
	Tigase
	// StockProsody is a Prosody without publisher. Only administrators may create nodes.
	StockProsody
	// StockEjabberd is an ejabberd without publisher. Local users may create nodes, by publishing, too.
	StockEjabberd
)

var profileNames = [...]string{Standard: "Standard", Prosody: "Prosody", ProsodyOld: "ProsodyOld", Ejabberd: "Ejabberd",
	Openfire: "Openfire", Tigase: "Tigase", StockProsody: "StockProsody", StockEjabberd: "StockEjabberd"}

// Profiles returns all profiles.
func Profiles() []Profile {
	return []Profile{Standard, Prosody, ProsodyOld, Ejabberd, Openfire, Tigase, StockProsody, StockEjabberd}
}

// String returns the name of the profile's constant.
func (p Profile) String() string {
	if p > 0 && int(p) < len(profileNames) {
		return profileNames[p]
	}
	return "Profile(" + strconv.Itoa(int(p)) + ")"
}

// Publishes reports whether domains of that profile publish a report of their own.
func (p Profile) Publishes() bool {
	switch p {
	case Standard, Prosody, ProsodyOld, Ejabberd, Openfire:
		return true
	}
	return false
}

// brand is whose manners a server has.
type brand int

const (
	brandProsody brand = iota
	brandEjabberd
	brandOpenfire
	brandTigase
)

func (p Profile) brand() brand {
	switch p {
	case Ejabberd, StockEjabberd:
		return brandEjabberd
	case Openfire:
		return brandOpenfire
	case Tigase:
		return brandTigase
	}
	return brandProsody
}

// software returns the name and version for XEP-0092.
func (b brand) software() (name, version string) {
	switch b {
	case brandEjabberd:
		return "ejabberd", "23.01"
	case brandOpenfire:
		return "Openfire", "4.8.3"
	case brandTigase:
		return "Tigase", "8.4.0"
	}
	return "Prosody", "0.12.3"
}

// node returns the node that the profile's publisher publishes to.
func (p Profile) node(domain string) string {
	if p == Prosody {
		return "serverinfo/" + domain
	}
	return "serverinfo"
}

// Quirks are oddities of a domain that do no harm, but that a reader must cope with. They can be combined.
type Quirks uint32

// The quirks.
const (
	// TwoForms answers disco#info with a second form of the same FORM_TYPE before the one that names the node (XEP-0157).
	TwoForms Quirks = 1 << iota
	// FormListMulti gives the field that names the node the type list-multi.
	FormListMulti
	// FormUntyped gives it no type.
	FormUntyped
	// FormOnly names the node in the form without the feature: no sign of consent.
	FormOnly
	// NoForm advertises the feature without a form, so that the default node holds.
	NoForm
	// DuplicatePeers lists every peer twice.
	DuplicatePeers
	// SeveralDomains adds a second domain, "vhost.<domain>", to the payload.
	SeveralDomains
	// Extensions adds elements of foreign namespaces at every level of the payload.
	Extensions
	// SoftwareVersion adds XEP-0092 elements to the payload.
	SoftwareVersion
	// ExposePublisher adds the publisher attribute to items.
	ExposePublisher
	// UpperCase writes domain names in upper case.
	UpperCase
	// TrailingDots writes a dot after domain names.
	TrailingDots
)
