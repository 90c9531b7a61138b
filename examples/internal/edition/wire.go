package edition

import (
	"net/http"
	"time"
)

// maxWire is the size in bytes up to which a document is kept with its head. What larger ones take to send makes the rest of the work vanish.
const maxWire = 1 << 20

// wire is the whole response with a document in one coding, and the one that says that the client has it, as of a second.
type wire struct {
	second          int64
	ok, notModified []byte
}

// Response returns a whole response with the document (RFC 9112), for who answers without net/http. It must not be changed.
// It is nil for a document that is too large for that.
//
// The arguments are the values of the request's fields, and more header lines, each with its end, which are the same in each call.
// It sends what [Document.Serve] does.
func (d *Document) Response(acceptEncoding, ifNoneMatch []byte, more string, now time.Time) []byte {
	v := d.variant(accepted(string(acceptEncoding)))
	if len(v.body) > maxWire {
		return nil
	}
	w := v.wire.Load()
	if w == nil || w.second != now.Unix() {
		w = d.newWire(v, more, now)
		v.wire.Store(w)
	}
	if len(ifNoneMatch) > 0 && matches([]string{string(ifNoneMatch)}, v.etag[0]) {
		return w.notModified
	}
	return w.ok
}

func (d *Document) newWire(v *variant, more string, now time.Time) *wire {
	shared := more + "Date: " + now.UTC().Format(http.TimeFormat) + "\r\nEtag: " + v.etag[0] + "\r\n"
	if d.compresses() {
		shared += "Vary: " + vary[0] + "\r\n"
	}
	head := "HTTP/1.1 200 OK\r\n" + shared + "Content-Type: " + d.contentType[0] + "\r\nContent-Length: " + v.length[0] + "\r\n"
	if v.encoding != nil {
		head += "Content-Encoding: " + v.encoding[0] + "\r\n"
	}
	return &wire{
		second:      now.Unix(),
		ok:          append([]byte(head+"\r\n"), v.body...),
		notModified: []byte("HTTP/1.1 304 Not Modified\r\n" + shared + "\r\n"),
	}
}
