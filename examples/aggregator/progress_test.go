package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
)

func TestProgressStaysBelowTheLog(t *testing.T) {
	var b bytes.Buffer
	p := &progress{w: &b, width: func() int { return 12 }}
	write := func(s string) {
		_, err := p.Write([]byte(s))
		require.NoError(t, err)
	}
	write("before\n")
	p.show("one")
	p.show("one")
	write("log\n")
	p.show("a line that is too long")
	p.show("")
	write("after\n")
	require.Equal(t, "before\n"+eraseLine+"one"+eraseLine+"log\none"+eraseLine+"a line that"+eraseLine+"after\n", b.String())
}

func TestNoProgressWithoutTerminal(t *testing.T) {
	require.Nil(t, newProgress(new(bytes.Buffer)))
	f, err := os.Create(t.TempDir() + "/log")
	require.NoError(t, err)
	defer f.Close()
	require.Nil(t, newProgress(f))
	newProgress(f).run(context.Background(), func() string { panic("nobody looks") })
}

func TestProgressEndsWithItsContext(t *testing.T) {
	var b bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	p := &progress{w: &b, width: func() int { return 80 }}
	p.run(ctx, func() string { cancel(); return "state" })
	require.Equal(t, eraseLine+"state"+eraseLine, b.String())
}

func TestSummary(t *testing.T) {
	got := summary(crawl.Stats{
		Known: 1874, Due: 1012, InFlight: 64, Subscribed: 782,
		Visits: map[crawl.Outcome]uint64{crawl.OutcomeReport: 1_000_000, crawl.OutcomeUnreachable: 234},
		Failures: map[crawl.Failure]uint64{
			crawl.FailureTimeout: 1200, crawl.FailureMalformed: 7, crawl.FailureForeign: 2, crawl.FailureError: 7, crawl.FailureOther: 1,
		},
		Unsaved: 3, SaveErr: errors.New("full"),
	}, graph.Counts{Domains: 112, Links: 1112, Unnamed: 5671})
	require.Equal(t, strings.Join([]string{
		"1,000,234 visits, 64 in flight, 1,012 due of 1,874",
		"782 subscribed",
		"112 named, 1,112 links, 5,671 unnamed",
		"failures: 1,200 timeout, 7 error, 7 malformed, 3 other",
		"3 not saved",
	}, " | "), got)
	require.Equal(t, "0 visits, 0 in flight, 0 due of 0 | 0 subscribed | 0 named, 0 links, 0 unnamed", summary(crawl.Stats{}, graph.Counts{}))
}
