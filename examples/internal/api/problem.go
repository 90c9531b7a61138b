package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// problem is an error as a document (RFC 9457). Its type is about:blank, so that the title is that of the status.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// retry is when to try again, 0 for no advice.
	retry time.Duration
}

func (p problem) Error() string { return p.Detail }

func (p problem) write(w http.ResponseWriter, r *http.Request) {
	p.Title = http.StatusText(p.Status)
	// Texts of ours and numbers always encode.
	b, _ := json.Marshal(p)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h["X-Content-Type-Options"] = nosniff
	h.Set("Content-Length", strconv.Itoa(len(b)+1))
	p.retryAfter(h)
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(b, '\n'))
	}
}

func (p problem) retryAfter(h http.Header) {
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retry+time.Second-1)/time.Second)))
	}
}

// fail writes an error: a problem as it is, and any other without its text, which is not for strangers.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := err.(problem)
	if !ok {
		p = problem{Status: http.StatusInternalServerError, Detail: "the answer could not be made"}
	}
	p.write(w, r)
}

func badRequest(detail string) problem { return problem{Status: http.StatusBadRequest, Detail: detail} }
