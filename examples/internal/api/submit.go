package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

// maxBody bounds the body of a submission, which holds a domain name.
const maxBody = 4 << 10

// sameOrigin refuses what a page of another site has a visitor's browser submit. Whoever is no browser is let through.
var sameOrigin = http.NewCrossOriginProtection()

// submission returns the domain that a request submits, within the limits of who sends it.
func (s *Server) submission(w http.ResponseWriter, r *http.Request) (xep.Name, error) {
	if sameOrigin.Check(r) != nil {
		return xep.Name{}, problem{Status: http.StatusForbidden, Detail: "domains are submitted from this site's own pages, or by programs"}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	text, err := submitted(r)
	if err != nil {
		return xep.Name{}, err
	}
	name, err := domainName("domain", text)
	if err != nil {
		return name, err
	}
	if s.o.Look == nil {
		return name, problem{Status: http.StatusServiceUnavailable, Detail: "domains can't be submitted here"}
	}
	if wait := s.submitters.Take(s.client(r)); wait > 0 {
		s.rejected.Add(1)
		return name, problem{Status: http.StatusTooManyRequests, Detail: "too many submissions from one address", retry: wait}
	}
	return name, nil
}

// submitted reads the domain out of a form or a JSON object.
func submitted(r *http.Request) (string, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && kind != "" || kind != jsonType && kind != "application/x-www-form-urlencoded" {
		return "", problem{Status: http.StatusUnsupportedMediaType, Detail: "a submission is application/json or application/x-www-form-urlencoded"}
	}
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return "", problem{Status: http.StatusRequestEntityTooLarge, Detail: "a submission is one domain name"}
	case err != nil:
		return "", badRequest("the body can't be read")
	}
	return domainOf(kind, body)
}

func domainOf(kind string, body []byte) (string, error) {
	if kind != jsonType {
		q, err := url.ParseQuery(string(body))
		if err != nil {
			return "", badRequest("the form can't be read")
		}
		return q.Get("domain"), nil
	}
	var v struct {
		Domain string `json:"domain"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return "", badRequest(`the body is not a JSON object such as {"domain":"example.org"}`)
	}
	return v.Domain, nil
}

// serveSubmit has a domain visited, and tells the result, or every step as it happens to who asks for an event stream.
func (s *Server) serveSubmit(w http.ResponseWriter, r *http.Request) {
	name, err := s.submission(w, r)
	if err != nil {
		fail(w, r, err)
		return
	}
	one, err := s.inquiries.ask(name)
	if err != nil {
		s.rejected.Add(1)
		fail(w, r, err)
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		one.stream(w, r)
		return
	}
	out, ok := one.wait(w, r)
	if !ok {
		return
	}
	h := w.Header()
	h.Set("Content-Type", jsonType)
	h.Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(out)
}

// serveOldSubmit is the same for the old site's pages, which show the answer as a line of text.
func (s *Server) serveOldSubmit(w http.ResponseWriter, r *http.Request) {
	name, err := s.submission(w, r)
	var one *inquiry
	if err == nil {
		one, err = s.inquiries.ask(name)
	}
	if err != nil {
		p, ok := err.(problem)
		if !ok {
			p = problem{Status: http.StatusInternalServerError, Detail: "this did not work"}
		}
		p.retryAfter(w.Header())
		line(w, r, p.Status, p.Detail)
		return
	}
	if out, ok := one.wait(w, r); ok {
		line(w, r, http.StatusOK, out.Text)
	}
}

// wait returns the whole answer, and false if the client is gone before.
func (i *inquiry) wait(w http.ResponseWriter, r *http.Request) (answer, bool) {
	// The visit has a limit of its own, which may be longer than the server's for a request.
	rc := http.NewResponseController(w)
	_, _ = rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{})
	for {
		steps, result, changed := i.state(0)
		if result != nil {
			out := *result
			out.Steps = steps
			_ = rc.SetWriteDeadline(time.Now().Add(writeTime))
			return out, true
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return answer{}, false
		}
	}
}

// stream sends each step as it happens, and then the result.
func (i *inquiry) stream(w http.ResponseWriter, r *http.Request) {
	st := newStream(w)
	if st.send(nil) != nil { // that it has begun, which may be seconds before the first step
		return
	}
	alive := time.NewTicker(heartbeat)
	defer alive.Stop()
	for told := 0; ; {
		steps, result, changed := i.state(told)
		for _, one := range steps {
			if st.event("step", one) != nil {
				return
			}
		}
		told += len(steps)
		if result != nil {
			_ = st.event("result", result)
			return
		}
		select {
		case <-changed:
		case <-alive.C:
			if st.send(message(":\n\n")) != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// event sends a value as the data of an event.
func (st *stream) event(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return st.send(frame("", name, b))
}
