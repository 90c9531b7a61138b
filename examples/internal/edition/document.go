package edition

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// compressFrom is the size in bytes from which compression saves more than its header costs.
const compressFrom = 512

// A client has sendTime for a response, and longer for one that it could not read in that time at slowest bytes per second.
const (
	sendTime = 30 * time.Second
	slowest  = 64 << 10
)

// Document is bytes that are ready to be sent. It never changes.
type Document struct {
	contentType []string
	tag         string
	packed      bool // whether its format is a compressed one already
	brief       bool // whether few will want it
	variants    [codings]variant
}

// variant is a document in one coding.
// The values of its header fields are made once, since a slice for each response is what a fast answer would spend its time on.
type variant struct {
	once     sync.Once
	body     []byte // nil where the coding is of no use
	etag     []string
	length   []string
	encoding []string
	wire     atomic.Pointer[wire]
}

var vary = []string{"Accept-Encoding"}

// NewDocument returns a document. The body must not change any more.
func NewDocument(contentType string, body []byte) *Document {
	sum := sha256.Sum256(body)
	d := &Document{contentType: []string{contentType}, tag: hex.EncodeToString(sum[:12]), packed: contentType == "image/png"}
	d.variants[identity].set(body, d.tag)
	d.variants[identity].once.Do(func() {})
	return d
}

// Brief marks a document that few will want, for which the best compression would not pay. It returns d, which nobody else has yet.
func (d *Document) Brief() *Document {
	d.brief = true
	return d
}

// Bytes returns the document as it was made. Don't change it.
func (d *Document) Bytes() []byte { return d.variants[identity].body }

// set fills in the document in one coding.
// Each coding has an entity tag of its own, because a strong tag stands for bytes (RFC 9110 §8.8.3).
func (v *variant) set(body []byte, tag string) {
	v.body = body
	v.etag = []string{`"` + tag + `"`}
	v.length = []string{strconv.Itoa(len(body))}
}

// compresses reports whether compression is worth a try.
func (d *Document) compresses() bool { return !d.packed && len(d.Bytes()) >= compressFrom }

// variant returns the document in a coding, or as it is where that would not be shorter.
func (d *Document) variant(c coding) *variant {
	plain := &d.variants[identity]
	if c == identity || !d.compresses() {
		return plain
	}
	v := &d.variants[c]
	v.once.Do(func() {
		if b := compress(c, plain.body, d.brief); len(b) < len(plain.body) {
			v.set(b, d.tag+"-"+c.String())
			v.encoding = []string{c.String()}
		}
	})
	if v.body == nil {
		return plain
	}
	return v
}

// Serve sends the document, compressed where the client can read that, or says that the client has it (RFC 9110 §13.1.2).
// Header fields that are set already stay.
func (d *Document) Serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	v := d.variant(accepted(first(r.Header["Accept-Encoding"])))
	if d.compresses() {
		addVary(h)
	}
	h["Etag"] = v.etag
	if known := r.Header["If-None-Match"]; len(known) > 0 && matches(known, v.etag[0]) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if v.encoding != nil {
		h["Content-Encoding"] = v.encoding
	}
	h["Content-Type"] = d.contentType
	h["Content-Length"] = v.length
	if r.Method != http.MethodHead {
		// The server's own limit counts from the request, and the document may just have been made. Not every ResponseWriter has deadlines.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(max(sendTime, time.Duration(len(v.body))*time.Second/slowest)))
		// An error here is the client's departure.
		_, _ = w.Write(v.body)
	}
}

func addVary(h http.Header) {
	if h["Vary"] == nil {
		h["Vary"] = vary
		return
	}
	h.Add("Vary", vary[0])
}

func first(values []string) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return values[0]
	}
	all := values[0]
	for _, v := range values[1:] {
		all += "," + v
	}
	return all
}
