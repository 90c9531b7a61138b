package xep

import "strings"

// Level says how much a [Deviation] matters.
type Level string

// The levels of a [Deviation].
const (
	// Must is for what the prose of the specification does not allow; [Marshal] refuses it.
	Must Level = "MUST"
	// Should is for what the prose tolerates but readers have to work around.
	Should Level = "SHOULD"
	// Schema is for what only the schema in XEP-0485 §9 forbids.
	// The prose contradicts it: it allows several domains, a domain without federation, and extension elements.
	Schema Level = "schema"
)

// Code identifies a kind of [Deviation]. Codes are stable: later versions add to them and change none.
type Code string

// The codes of deviations.
const (
	// CodeNoDomain (MUST): the payload describes no domain.
	CodeNoDomain Code = "no-domain"
	// CodeDomainName (MUST): a domain has no name, or one that is not a domain name.
	CodeDomainName Code = "domain-name"
	// CodeRemoteName (MUST): a remote domain has an empty name, or one that is not a domain name.
	CodeRemoteName Code = "remote-domain-name"
	// CodeConnectionType (MUST): the type of a connection is not one of the three.
	CodeConnectionType Code = "connection-type"
	// CodeExtensionNamespace (MUST): additional data is not in a namespace of its own.
	CodeExtensionNamespace Code = "extension-namespace"
	// CodeExtensionXML (MUST): an [Extension] does not hold one element of its name that stands alone.
	CodeExtensionXML Code = "extension-xml"
	// CodeExtensionKnown (MUST): an [Extension] holds what belongs in another field of the same value.
	CodeExtensionKnown Code = "extension-known"
	// CodeCharacters (MUST): a text holds characters that XML can't carry.
	CodeCharacters Code = "characters"

	// CodeNameForm (SHOULD): a name is not in canonical form, see [Name].
	CodeNameForm Code = "name-form"
	// CodeDuplicateDomain (SHOULD): a domain is described twice.
	CodeDuplicateDomain Code = "duplicate-domain"
	// CodeDuplicateRemote (SHOULD): a remote domain appears twice under one domain.
	CodeDuplicateRemote Code = "duplicate-remote-domain"
	// CodeSoftware (SHOULD): the software lacks a name or a version, which XEP-0092 §3 requires.
	CodeSoftware Code = "software"
	// CodeUsers (SHOULD): the count of active users is not a number.
	CodeUsers Code = "users"
	// CodeRepeated (SHOULD): an element of which one is expected occurs again.
	CodeRepeated Code = "repeated-element"

	// CodeDomainCount (schema): the payload describes more than one domain.
	CodeDomainCount Code = "domain-count"
	// CodeNoFederation (schema): a domain has no federation element.
	CodeNoFederation Code = "no-federation"
	// CodeExtensionElement (schema): the payload holds additional data.
	CodeExtensionElement Code = "extension-element"
	// CodeUnknownElement (schema): an element occurs where neither the prose nor the schema has it.
	CodeUnknownElement Code = "unknown-element"
	// CodeUnknownAttribute (schema): an element has an attribute that the schema does not know.
	CodeUnknownAttribute Code = "unknown-attribute"
	// CodeStrayText (schema): there is text between elements.
	CodeStrayText Code = "stray-text"
)

// Deviation is one way in which a payload departs from the specification.
type Deviation struct {
	// Code identifies the kind of deviation.
	Code Code
	// Level says what it departs from.
	Level Level
	// Section is the part of the specification, such as "§4" of XEP-0485 or "XEP-0092 §3" of another one.
	Section string
	// Path leads to the place, such as "domain[0].federation.remote-domain[3].connection[0]@type"; indices count from zero.
	Path string
	// Message says what is wrong, for people.
	Message string
}

// String returns the deviation as one line.
func (d Deviation) String() string {
	return string(d.Level) + " " + d.Section + " " + d.Path + ": " + d.Message
}

// InvalidError is the error of [Marshal] for a value that the specification does not allow to be published.
type InvalidError struct {
	// Deviations are all those of level [Must].
	Deviations []Deviation
}

// Error implements error.
func (e *InvalidError) Error() string {
	const most = 3
	var b strings.Builder
	b.WriteString("xep: the payload can't be published: ")
	for i, d := range e.Deviations {
		switch {
		case i == most:
			b.WriteString("; …")
			return b.String()
		case i > 0:
			b.WriteString("; ")
		}
		b.WriteString(d.String())
	}
	return b.String()
}
