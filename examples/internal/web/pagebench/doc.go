// Package pagebench measures the map page in a headless Chromium, beside a blank page in the same run.
//
//	go test -tags integration -count=1 -v ./examples/internal/web/pagebench -args -network FILE -times 1,10,50 -shots DIR
//
// The map is drawn when its first whole picture was due on the screen: the page sets a mark when the browser has begun the second frame after
// the one in which it was handed over. A blank page is drawn when it is first painted.
//
// Without -network it invents one of the same shape as the real network. It judges bytes, requests and errors;
// times are printed for people, since they depend on what else the machine does.
package pagebench
