// Package pagebench measures the map page in a headless Chromium, beside a blank page in the same run.
//
//	go test -tags integration -count=1 -v ./examples/internal/web/pagebench -args -network FILE -times 1,10,50 -shots DIR
//
// Without -network it invents one of the same shape as the real network. It judges bytes, requests and errors;
// times are printed for people, since they depend on what else the machine does.
package pagebench
