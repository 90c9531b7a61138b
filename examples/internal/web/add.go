package web

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// submitPath is where the interface for programs takes submissions.
const submitPath = "/api/v1/submit"

const (
	// maxForm bounds the form in bytes: a name has 253 at most.
	maxForm = 4 << 10
	// maxTrace bounds the answer of the interface in bytes.
	maxTrace = 1 << 20
)

// addView is the page on which visitors add a domain.
type addView struct {
	frame
	// Open is whether submissions are taken at all.
	Open bool
	// Domain is what the visitor has entered.
	Domain string
	// Error says why there was no visit, empty if there was one or nothing was entered.
	Error string
	Visit *visit
}

// visit is the answer of the interface for programs.
type visit struct {
	Domain  string `json:"domain"`
	Outcome string `json:"outcome"`
	Named   bool   `json:"named"`
	Text    string `json:"text"`
	Steps   []step `json:"steps"`
}

// step is one thing that was asked of the domain.
type step struct {
	Step   string `json:"step"`
	Status string `json:"status"`
	Asked  string `json:"asked"`
	Got    string `json:"got"`
	Millis int64  `json:"ms"`
	Fix    string `json:"fix"`
}

// Kind is the class of the step.
func (s step) Kind() string {
	switch s.Status {
	case "ok", "failed":
		return s.Status
	}
	return "other"
}

// Mark is how the step ended, as a sign.
func (s step) Mark() string {
	switch s.Status {
	case "ok":
		return "✔"
	case "failed":
		return "✖"
	}
	return "–"
}

// Word is the same for those who don't see the sign.
func (s step) Word() string {
	switch s.Status {
	case "ok":
		return "in order"
	case "failed":
		return "failed"
	}
	return clean(s.Status)
}

func (s *Server) addView(r *http.Request) addView {
	v := addView{frame: s.frame(s.press.Current(), "add", "/add", "Add your domain",
		"Has the domain of an XMPP server visited, and tells step by step what was asked, what came, and what to change."), Open: s.o.Programs != nil}
	v.Domain = clean(strings.TrimSpace(r.FormValue("domain")))
	return v
}

func (s *Server) serveAdd(w http.ResponseWriter, r *http.Request) {
	s.showStatus(w, r, http.StatusOK, "add", s.addView(r))
}

// serveSubmitted is for browsers without scripts: it asks the interface for programs, and shows the answer.
// So there is one place that knows limits and exclusions.
func (s *Server) serveSubmitted(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form could not be read", http.StatusBadRequest)
		return
	}
	v := s.addView(r)
	v.Hidden = true
	if s.o.Programs == nil || v.Domain == "" {
		s.showStatus(w, r, http.StatusOK, "add", v)
		return
	}
	answer := s.submit(w, r, r.PostForm.Get("domain"))
	if retry := answer.header.Get("Retry-After"); retry != "" {
		w.Header().Set("Retry-After", retry)
	}
	v.take(answer)
	s.showStatus(w, r, answer.status, "add", v)
}

// submit asks the interface for programs in the visitor's name.
func (s *Server) submit(w http.ResponseWriter, r *http.Request, domain string) *recorder {
	// Marshalling a map of strings does not fail.
	body, _ := json.Marshal(map[string]string{"domain": domain})
	return s.ask(w, r, http.MethodPost, submitPath, body)
}

// ask asks the interface for programs in the visitor's name.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, method, path string, body []byte) *recorder {
	ask := r.Clone(r.Context())
	ask.Method = method
	ask.URL.Path, ask.URL.RawPath, ask.URL.RawQuery, ask.RequestURI = path, "", "", path
	ask.Form, ask.PostForm, ask.MultipartForm = nil, nil, nil
	for _, field := range []string{"Accept-Encoding", "Content-Encoding", "If-None-Match", "Origin", "Range"} {
		ask.Header.Del(field)
	}
	ask.Header.Set("Accept", "application/json")
	ask.Header.Set("Content-Type", "application/json")
	ask.Body, ask.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer := &recorder{real: w, header: make(http.Header), status: http.StatusOK}
	s.o.Programs.ServeHTTP(answer, ask)
	return answer
}

// take reads the answer.
func (v *addView) take(answer *recorder) {
	if answer.status == http.StatusOK {
		got := new(visit)
		if err := json.Unmarshal(answer.body.Bytes(), got); err == nil {
			v.Visit = got
			return
		}
		answer.status = http.StatusInternalServerError
	}
	var problem struct{ Title, Detail string }
	_ = json.Unmarshal(answer.body.Bytes(), &problem)
	switch {
	case answer.status == http.StatusTooManyRequests:
		v.Error = "You have asked often within a short time. Please wait a little, and try again."
	case problem.Detail != "":
		v.Error = clean(problem.Detail)
	case problem.Title != "":
		v.Error = clean(problem.Title)
	default:
		v.Error = "The visit could not be made. Please try again later."
	}
}

// recorder keeps an answer.
type recorder struct {
	// real is that of the visitor, whose time limits the interface prolongs while a visit is on.
	real   http.ResponseWriter
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.real }

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
}

// Write implements http.ResponseWriter. What is too long is cut, and is then no JSON.
func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	if room := maxTrace - r.body.Len(); room > 0 {
		r.body.Write(b[:min(len(b), room)])
	}
	return len(b), nil
}
