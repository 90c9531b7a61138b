package disco

import (
	"errors"
	"fmt"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

// errTooMany means that an answer holds more of something than any honest one.
// Cutting it short instead could lose the one feature that matters.
var errTooMany = errors.New("too many")

const nsXML = "http://www.w3.org/XML/1998/namespace"

// DecodeInfo decodes the query element of disco#info that the scanner is on.
// Unknown children are skipped.
func DecodeInfo(s *xmlscan.Scanner) (*Info, error) {
	info := new(Info)
	info.Node, _ = s.Attr("node")
	for d := s.Depth(); s.Child(d); {
		switch {
		case s.Is(NSInfo, "feature"):
			if len(info.Features) == MaxFeatures {
				return nil, fmt.Errorf("%w features", errTooMany)
			}
			if v, ok := s.Attr("var"); ok {
				if info.Features == nil {
					info.Features = make([]string, 0, 64)
				}
				info.Features = append(info.Features, v)
			}
		case s.Is(NSInfo, "identity"):
			if len(info.Identities) == MaxIdentities {
				return nil, fmt.Errorf("%w identities", errTooMany)
			}
			info.Identities = append(info.Identities, identity(s))
		case s.Is(xep.NSForm, "x"):
			if len(info.Forms) == MaxForms {
				return nil, fmt.Errorf("%w forms", errTooMany)
			}
			form, err := DecodeForm(s)
			if err != nil {
				return nil, err
			}
			info.Forms = append(info.Forms, form)
		}
	}
	if s.Err() != nil {
		return nil, s.Err()
	}
	return info, nil
}

func identity(s *xmlscan.Scanner) Identity {
	var id Identity
	id.Category, _ = s.Attr("category")
	id.Type, _ = s.Attr("type")
	id.Name, _ = s.Attr("name")
	id.Lang, _ = s.AttrNS(nsXML, "lang")
	return id
}

// DecodeItems decodes the query element of disco#items that the scanner is on, up to [MaxItems].
func DecodeItems(s *xmlscan.Scanner) ([]Item, error) {
	var items []Item
	for d := s.Depth(); s.Child(d); {
		if len(items) == MaxItems || !s.Is(NSItems, "item") {
			continue
		}
		var item Item
		item.JID, _ = s.Attr("jid")
		item.Node, _ = s.Attr("node")
		item.Name, _ = s.Attr("name")
		items = append(items, item)
	}
	if s.Err() != nil {
		return nil, s.Err()
	}
	return items, nil
}

// DecodeForm decodes the data form that the scanner is on (XEP-0004).
func DecodeForm(s *xmlscan.Scanner) (xep.Form, error) {
	var form xep.Form
	form.Type, _ = s.Attr("type")
	for d := s.Depth(); s.Child(d); {
		if !s.Is(xep.NSForm, "field") {
			continue
		}
		if len(form.Fields) == MaxFields {
			return xep.Form{}, fmt.Errorf("%w fields", errTooMany)
		}
		field, err := decodeField(s)
		if err != nil {
			return xep.Form{}, err
		}
		form.Fields = append(form.Fields, field)
	}
	return form, s.Err()
}

func decodeField(s *xmlscan.Scanner) (xep.FormField, error) {
	var field xep.FormField
	field.Var, _ = s.Attr("var")
	field.Type, _ = s.Attr("type")
	for d := s.Depth(); s.Child(d); {
		if !s.Is(xep.NSForm, "value") {
			continue
		}
		if len(field.Values) == MaxValues {
			return xep.FormField{}, fmt.Errorf("%w values", errTooMany)
		}
		value, err := s.InnerText(MaxBytes)
		if err != nil {
			return xep.FormField{}, err
		}
		field.Values = append(field.Values, value)
	}
	return field, s.Err()
}
