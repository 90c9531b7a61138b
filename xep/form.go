package xep

import (
	"encoding/xml"
	"errors"
	"slices"
	"strings"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"mellium.im/xmlstream"
)

const (
	// NSForm is the namespace of data forms (XEP-0004).
	NSForm = "jabber:x:data"
	// FormType is the FORM_TYPE of the form that names the node (XEP-0485 §3), shared with the contact addresses of XEP-0157.
	FormType = "http://jabber.org/network/serverinfo"
	// FieldNode is the field of that form that holds the URI of the node (XEP-0485 §8).
	FieldNode = "serverinfo-pubsub-node"
)

const fieldFormType = "FORM_TYPE"

// ErrNoForm is returned by [FindNodeURI] where no form names a node.
//
// The node is then [DefaultNode] on the domain's first pubsub service (XEP-0485 §3).
var ErrNoForm = errors.New("xep: no form names a serverinfo node")

// Form is a data form in a service discovery answer (XEP-0128), reduced to what a reader of that needs.
type Form struct {
	// Type is the form's type, which is "result" in an answer; an empty one is written as "result".
	Type string
	// Fields are the form's fields in document order.
	Fields []FormField
}

// FormField is one field of a form.
type FormField struct {
	// Var is the name of the field.
	Var string
	// Type is the field's type, such as "hidden" or "list-multi", empty where it was not given.
	Type string
	// Values are the field's values, none for a field without one.
	Values []string
}

// FormType returns the form's FORM_TYPE, or nothing where it has none.
//
// The field need not be of type hidden, as not every server marks it so.
func (f Form) FormType() string {
	for _, field := range f.Fields {
		if field.Var == fieldFormType && len(field.Values) > 0 {
			return field.Values[0]
		}
	}
	return ""
}

// Values returns the values of every field with the given name.
func (f Form) Values(name string) []string {
	var values []string
	for _, field := range f.Fields {
		if field.Var == name {
			values = append(values, field.Values...)
		}
	}
	return values
}

// FindNodeURI returns the node that a domain's discovery answer names (XEP-0485 §3).
//
// It looks through all forms of type [FormType], because some servers send several, and takes the first value that is the URI
// of a pubsub node, whatever the field's type.
// Where no form names a node the error is [ErrNoForm]; where only unusable values are found it is the [*URIError] of the first.
// Neither says anything about consent: that is in the feature [NS] alone.
func FindNodeURI(forms []Form) (NodeURI, error) {
	err := ErrNoForm
	for _, form := range forms {
		if form.FormType() != FormType {
			continue
		}
		for _, value := range form.Values(FieldNode) {
			value = strings.TrimSpace(value)
			if value == "" {
				continue
			}
			uri, parseErr := ParseNodeURI(value)
			if parseErr == nil {
				return uri, nil
			}
			if err == ErrNoForm {
				err = parseErr
			}
		}
	}
	return NodeURI{}, err
}

// BuildForm returns the one form of type [FormType] for a domain's discovery answer: its node and its contact addresses, which
// XEP-0485 §8 wants merged.
//
// The contacts are fields of XEP-0157, such as "abuse-addresses", with their URIs; fields without a URI are left out.
// A zero uri leaves out the node.
// The result is deterministic: contacts are sorted by field, and keep the order of their URIs.
func BuildForm(uri NodeURI, contacts map[string][]string) Form {
	f := Form{Type: "result", Fields: []FormField{
		{Var: fieldFormType, Type: "hidden", Values: []string{FormType}},
	}}
	names := make([]string, 0, len(contacts))
	for name, values := range contacts {
		if len(values) > 0 && name != fieldFormType && name != FieldNode {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		f.Fields = append(f.Fields, FormField{Var: name, Type: "list-multi", Values: slices.Clone(contacts[name])})
	}
	if !uri.IsZero() {
		f.Fields = append(f.Fields, FormField{Var: FieldNode, Type: "text-single", Values: []string{uri.String()}})
	}
	return f
}

// AppendXML appends the form as an <x/> element that declares its own namespace.
//
// Characters that XML can't carry become U+FFFD.
func (f Form) AppendXML(dst []byte) []byte {
	dst = append(dst, "<x xmlns='"+NSForm+"'"...)
	dst = xmlscan.AppendAttr(dst, "type", f.typeOrResult())
	dst = append(dst, '>')
	for _, field := range f.Fields {
		dst = xmlscan.AppendAttr(append(dst, "<field"...), "var", field.Var)
		if field.Type != "" {
			dst = xmlscan.AppendAttr(dst, "type", field.Type)
		}
		dst = append(dst, '>')
		for _, value := range field.Values {
			dst = xmlscan.AppendEscaped(append(dst, "<value>"...), value)
			dst = append(dst, "</value>"...)
		}
		dst = append(dst, "</field>"...)
	}
	return append(dst, "</x>"...)
}

func (f Form) typeOrResult() string {
	if f.Type == "" {
		return "result"
	}
	return f.Type
}

// TokenReader implements xmlstream.Marshaler.
func (f Form) TokenReader() xml.TokenReader {
	fields := make([]xml.TokenReader, 0, len(f.Fields))
	for _, field := range f.Fields {
		values := make([]xml.TokenReader, 0, len(field.Values))
		for _, value := range field.Values {
			values = append(values, xmlstream.Wrap(
				xmlstream.Token(xml.CharData(value)),
				xml.StartElement{Name: xml.Name{Local: "value"}},
			))
		}
		fields = append(fields, xmlstream.Wrap(xmlstream.MultiReader(values...), field.start()))
	}
	return xmlstream.Wrap(xmlstream.MultiReader(fields...), xml.StartElement{
		Name: xml.Name{Space: NSForm, Local: "x"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "type"}, Value: f.typeOrResult()}},
	})
}

func (f FormField) start() xml.StartElement {
	start := xml.StartElement{
		Name: xml.Name{Local: "field"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "var"}, Value: f.Var}},
	}
	if f.Type != "" {
		start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: "type"}, Value: f.Type})
	}
	return start
}

// WriteXML implements xmlstream.WriterTo.
func (f Form) WriteXML(w xmlstream.TokenWriter) (int, error) {
	return xmlstream.Copy(w, f.TokenReader())
}
