package web

import "net/http"

// csp allows what the pages have: their own scripts, style sheets, pictures and data, forms that lead back to them, and nothing else.
// Nothing in a page may carry style or script of its own, so that a name that got through as markup could still do nothing.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "

// Who may put a page into a frame: nobody, except for the page that is made for it.
const (
	unframed = csp + "'none'"
	framed   = csp + "*"
)

// secure sets what browsers are told of every answer. Handlers may change it.
//
// A Cross-Origin-Opener-Policy is not among it: browsers throw the process away that they have begun for a page, and start another one,
// which takes a quarter of the time until the map is drawn. It would keep secrets from whoever opened the page, and the page has none.
func secure(h http.Header, frame bool) {
	policy := unframed
	if frame {
		policy = framed
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()")
}

// forOthers lets pages of other sites show an answer.
func forOthers(h http.Header) {
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", "*")
}
