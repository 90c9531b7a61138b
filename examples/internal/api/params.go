package api

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// maxDepth bounds a focus. The real network has a diameter of four.
const maxDepth = 5

// selection is what the parameters of a graph select.
type selection struct {
	// key names it, the same for equal selections.
	key   string
	views []graph.View
	// focused is whether it depends on a name, of which there are many.
	focused bool
	// at is a moment of the past, zero for the present.
	at time.Time
}

// query returns the parameters of a request.
func query(r *http.Request) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query can't be read")
	}
	return q, nil
}

// selected reads the parameters that views have. Those that it doesn't know are left to others.
func selected(q url.Values) (selection, error) {
	var s selection
	if len(q) == 0 {
		return s, nil
	}
	if err := s.when(q); err != nil {
		return s, err
	}
	if err := s.focus(q); err != nil {
		return s, err
	}
	for _, v := range []struct {
		name string
		view func() graph.View
	}{
		{"fold", func() graph.View { return graph.Fold() }},
		{"reporting", func() graph.View { return graph.Reporting }},
		{"mutual", func() graph.View { return graph.Mutual }},
	} {
		on, err := toggle(q, v.name)
		if err != nil {
			return s, err
		}
		if on {
			s.add(v.name, v.view())
		}
	}
	switch q.Get("unnamed") {
	case "":
	case "hide":
		s.add("hide", graph.WithoutUnnamed)
	case "combine":
		s.add("combine", graph.Combined)
	default:
		return s, badRequest(`unnamed is neither "hide" nor "combine"`)
	}
	return s, nil
}

func (s *selection) add(key string, v graph.View) {
	s.key += "-" + key
	s.views = append(s.views, v)
}

func (s *selection) when(q url.Values) (err error) {
	if t := q.Get("at"); t != "" {
		s.at, err = instant("at", t)
	}
	return err
}

func (s *selection) focus(q url.Values) error {
	if !q.Has("focus") {
		if q.Has("depth") {
			return badRequest("depth needs a focus")
		}
		return nil
	}
	name, err := domainName("focus", q.Get("focus"))
	if err != nil {
		return err
	}
	depth, err := number(q, "depth", 1, 0, maxDepth)
	if err != nil {
		return err
	}
	s.focused = true
	s.add("focus "+name.String()+" "+strconv.Itoa(depth), graph.Focus(name, depth))
	return nil
}

// toggle reads a switch, which may stand without a value.
func toggle(q url.Values, name string) (bool, error) {
	if !q.Has(name) {
		return false, nil
	}
	switch strings.ToLower(q.Get(name)) {
	case "", "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, badRequest(name + " is neither true nor false")
}

func number(q url.Values, name string, missing, least, most int) (int, error) {
	t := q.Get(name)
	if t == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(t)
	if err != nil || n < least || n > most {
		return 0, badRequest(name + " is not a number from " + strconv.Itoa(least) + " to " + strconv.Itoa(most))
	}
	return n, nil
}

func domainName(parameter, text string) (xep.Name, error) {
	name, err := xep.ParseName(strings.TrimSpace(text))
	if err != nil {
		return xep.Name{}, badRequest(parameter + " is not a domain name")
	}
	return name, nil
}

// instant reads a time (RFC 3339). A plus sign that was not encoded has become a space.
func instant(parameter, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, strings.Replace(text, " ", "+", 1))
	if err != nil || t.Year() < 1970 || t.Year() > 2100 {
		return time.Time{}, badRequest(parameter + " is not a time such as 2025-11-13T12:00:00Z")
	}
	return t.UTC(), nil
}

// oneOf reads a parameter with few values; the first is the one that a missing parameter means.
func oneOf(q url.Values, name string, values ...string) (string, error) {
	t := q.Get(name)
	if t == "" {
		return values[0], nil
	}
	for _, v := range values {
		if t == v {
			return v, nil
		}
	}
	return "", badRequest(name + " is not one of " + strings.Join(values, ", "))
}
