package testserver_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

const askInfo = "<iq type='get' id='q' from='" + testserver.Component + "' to='evil.example'>" +
	"<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"

// small keeps the heavy faults light.
var small = testserver.FaultOptions{Bytes: 1000, Depth: 50, Flood: 3, Delay: time.Millisecond}

func TestFaultsOfTheReply(t *testing.T) {
	for _, tc := range []struct {
		fault testserver.Fault
		want  []string // what the whole reply begins with, and more that it contains
	}{
		{testserver.ErrorReply, []string{"<iq type='error' id='q' from='evil.example'", "<error type='cancel'><service-unavailable "}},
		{testserver.ErrorBare, []string{"<iq type='error'", "<error type='cancel'/></iq>"}},
		{testserver.ErrorEmpty, []string{"<iq type='error'", "to='" + testserver.Component + "'></iq>"}},
		{testserver.EmptyResult, []string{"<iq type='result'", "to='" + testserver.Component + "'></iq>"}},
		{testserver.TextOnly, []string{"<iq type='result'", ">no element here</iq>"}},
		{testserver.WrongPayload, []string{"<iq type='result'", "<zork "}},
		{testserver.StreamsReply, []string{"<iq type='result'", "<features xmlns='http://etherx.jabber.org/streams'/>"}},
		{testserver.HugeReply, []string{"<iq type='result'", "filler='" + strings.Repeat("f", 1000) + "'/></iq>"}},
		{testserver.DeepReply, []string{"<iq type='result'", strings.Repeat("<a>", 50) + strings.Repeat("</a>", 50)}},
		{testserver.EndlessRSM, []string{"<iq type='result'", "<identity "}},
		{testserver.NotFound, []string{"<iq id='q'", "from='evil.example'", "<remote-server-not-found "}},
		{testserver.Unreachable, []string{"<iq id='q'", "from='evil.example'", "<remote-server-timeout "}},
		{testserver.WrongFrom, []string{"<iq type='result' id='q' from='other.evil.example'", "<identity "}},
		{testserver.NoFrom, []string{"<iq type='result' id='q' to="}},
		{testserver.WrongID, []string{"<iq type='result' id='nobodys-q'"}},
		{testserver.TextBefore, []string{"<iq type='result'", ">text out of place<query "}},
		{testserver.TextBefore | testserver.ErrorReply, []string{"<iq type='error'", ">text out of place<error "}},
		{testserver.TextBefore | testserver.WrongFrom | testserver.ErrorReply, []string{"<iq type='error' id='q' from='other.evil.example'", ">text out"}},
		{testserver.Delayed, []string{"<iq type='result'", "<identity "}},
		{testserver.SlowDrip, []string{"<iq type='result'", "<identity "}},
	} {
		t.Run(tc.fault.String(), func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			srv.AddDomain(testserver.Domain{Name: "evil.example", Fault: tc.fault, Options: small})
			got := rawSession(t, srv, testserver.Component).ask(askInfo)
			require.True(t, strings.HasPrefix(got, tc.want[0]), got)
			for _, part := range tc.want[1:] {
				require.Contains(t, got, part)
			}
		})
	}
}

func TestFaultsTakeTurns(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "evil.example", Fault: testserver.ErrorBare | testserver.TextOnly | testserver.EmptyResult})
	s := rawSession(t, srv, testserver.Component)
	for range 2 {
		require.Contains(t, s.ask(askInfo), "<error type='cancel'/>")
		require.Contains(t, s.ask(askInfo), "'></iq>")
		require.Contains(t, s.ask(askInfo), "no element here")
	}
}

func TestDuplicateAndSpoofed(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "evil.example", Fault: testserver.Duplicate | testserver.Spoofed})
	s := rawSession(t, srv, testserver.Component)
	require.Contains(t, s.ask(askInfo), "from='attacker.invalid'")
	require.Contains(t, s.next(), "from='attacker.invalid'")
	one := s.next()
	require.Contains(t, one, "from='evil.example'")
	require.Equal(t, one, s.next())
}

func TestNoReplyAndHeld(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	evil := srv.AddDomain(testserver.Domain{Name: "evil.example", Fault: testserver.NoReply})
	s := rawSession(t, srv, testserver.Component)
	s.write(askInfo)
	require.NoError(t, evil.AwaitRequests(within(t), 1))
	evil.SetFault(testserver.Held)
	s.write(strings.Replace(askInfo, "id='q'", "id='held'", 1))
	require.NoError(t, evil.AwaitRequests(within(t), 2))
	evil.SetFault(0)
	require.Contains(t, s.ask(strings.Replace(askInfo, "id='q'", "id='honest'", 1)), "id='honest'", "neither of the others came first")
	require.Equal(t, 1, evil.Release())
	require.Contains(t, s.next(), "id='held'")
	require.Zero(t, evil.Release())
	require.Equal(t, 3, evil.Requests())
}

func TestAwaitRequestsEndsWithItsContext(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, srv.Home().AwaitRequests(ctx, 1), context.Canceled)
}

func TestCutOff(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "evil.example", Fault: testserver.CutOff})
	s := rawSession(t, srv, testserver.Component)
	s.write(askInfo)
	b, err := io.ReadAll(s.r)
	require.NoError(t, err)
	require.Contains(t, string(b), "<iq ")
	require.NotContains(t, string(b), "</iq>")
}

func TestHalfOpenUntilResume(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	evil := srv.AddDomain(testserver.Domain{Name: "evil.example", Fault: testserver.HalfOpen})
	s := rawSession(t, srv, testserver.Component)
	s.write(askInfo)
	require.NoError(t, evil.AwaitRequests(within(t), 1))
	evil.SetFault(0)
	s.write(askInfo)
	require.Equal(t, 1, evil.Requests(), "nothing is read any more")
	srv.Resume()
	require.Contains(t, s.next(), "<identity ")
}

func TestEndlessPages(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "evil.example", Fault: testserver.EndlessRSM})
	s := rawSession(t, srv, testserver.Component)
	head := "<iq type='get' id='q' from='" + testserver.Component + "' to='evil.example'><query xmlns='http://jabber.org/protocol/disco#items'>"
	require.Contains(t, s.ask(head+"</query></iq>"), "<last>1</last>")
	require.Contains(t, s.ask(head+"<set xmlns='http://jabber.org/protocol/rsm'><after>41</after></set></query></iq>"), "<last>42</last>")
}

func TestUnsolicited(t *testing.T) {
	for _, f := range []testserver.Fault{testserver.BadAddresses, testserver.EmptyIQs, testserver.StreamsStanza, testserver.OddStanzas,
		testserver.HugeStanza, testserver.DeepStanza, testserver.EventFlood, testserver.ForgedReplies} {
		t.Run(f.String(), func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			srv.AddDomain(testserver.Domain{Name: "evil.example", Fault: f, Options: small})
			s := rawSession(t, srv, testserver.Component)
			s.write(askInfo)
			n := 0
			for ; ; n++ {
				got := s.next()
				if strings.Contains(got, "from='evil.example'") && strings.Contains(got, "<identity category='server' type='im' name='Prosody'/>") {
					break
				}
				require.Contains(t, got, "evil.example", "an attack names its sender")
			}
			require.Positive(t, n, "something came before the reply")
		})
	}
}

func TestAttacksAreWellFormed(t *testing.T) {
	names := make(map[string]bool)
	for _, a := range testserver.Attacks("evil.example", testserver.Component) {
		require.False(t, names[a.Name], a.Name)
		names[a.Name] = true
		e := parse(t, a.XML)
		require.Contains(t, []string{"iq", "message", "presence"}, e.name.Local, a.Name)
	}
	require.Greater(t, len(names), 100)
}

func TestHonestDomainsAmongHostileOnes(t *testing.T) {
	const domains, each = 300, 20
	srv := testserver.Start(t, testserver.Config{})
	for i := range domains {
		d := testserver.Domain{Name: fmt.Sprintf("d%d.example", i), Options: small}
		if i%each == 0 {
			d.Fault = testserver.RemoteFaults
		}
		srv.AddDomain(d)
	}
	s := rawSession(t, srv, testserver.Component)
	go func() {
		for i := range domains {
			_, _ = io.WriteString(s.nc, get(fmt.Sprint(i), fmt.Sprintf("d%d.example", i), infoPayload))
		}
		_, _ = io.WriteString(s.nc, get("last", testserver.HomeName, pingPayload))
	}()
	answers := make(map[string]int)
	for {
		e := parse(t, s.next())
		if e.name.Local != "iq" || len(e.kids) == 0 || !slices.Contains(e.attrs, "type=result") {
			if slices.Contains(e.attrs, "id=last") {
				break
			}
			continue
		}
		answers[strings.Join(e.attrs, " ")]++
	}
	for i := range domains {
		if i%each != 0 {
			require.Equal(t, 1, answers[fmt.Sprintf("from=d%d.example id=%d to=%s type=result", i, i, testserver.Component)], i)
		}
	}
}

func TestFaultGroups(t *testing.T) {
	all := testserver.Fault(0)
	for _, f := range testserver.Faults() {
		all |= f
	}
	require.Equal(t, all, testserver.RemoteFaults|testserver.SessionFaults)
	require.Zero(t, testserver.RemoteFaults&testserver.SessionFaults)
}

func TestFaultNames(t *testing.T) {
	require.Equal(t, "none", testserver.Fault(0).String())
	require.Equal(t, "NoReply|WrongFrom", (testserver.NoReply | testserver.WrongFrom).String())
	require.Equal(t, "Fault(1<<63)", testserver.Fault(1<<63).String())
	seen := make(map[string]bool)
	for _, f := range testserver.Faults() {
		require.False(t, seen[f.String()], f)
		seen[f.String()] = true
	}
	require.Len(t, seen, 32)
}
