package report_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// logged is a logger whose lines of the level info and above can be counted.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestALossIsPublishedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{advertise: map[string]bool{"denmark.lit": true}}
		r, _ := reporter(s, "denmark.lit")
		r.Consent = &optin.Checker{Session: s}
		require.NoError(t, during(t, r, func() {
			require.Equal(t, []string{"denmark.lit"}, s.publications()[0].peers())
			time.Sleep(time.Minute)
			r.Consent.Record(optin.Evidence{Domain: xep.MustName("denmark.lit"), Answered: true})
			synctest.Wait()
			require.Len(t, s.publications(), 2)
			require.Equal(t, []string{""}, s.publications()[1].peers())
			require.EqualValues(t, 1, r.Stats().Losses)

			r.Consent.Record(optin.Evidence{Domain: xep.MustName("denmark.lit"), Answered: true, Feature: true})
			synctest.Wait()
			require.Len(t, s.publications(), 2, "a gain waits for its turn")
		}))
	})
}

func TestOwnComponentsAreLeftOut(t *testing.T) {
	const items = "<item jid='chat.shakespeare.lit'/><item jid='shakespeare.lit' node='config'/><item jid='friend.lit'/>" +
		"<item jid='user@chat.shakespeare.lit'/><item jid='@'/>"
	synctest.Test(t, func(t *testing.T) {
		s := &server{components: items}
		r, _ := reporter(s, "chat.shakespeare.lit", "friend.lit")
		c, err := r.Compose(t.Context())
		require.NoError(t, err)
		require.Len(t, c.Peers, 1, "a service of somebody else's is a peer")
		require.Equal(t, "friend.lit", c.Peers[0].Remote)

		s.set(func() { s.components = "" })
		c, err = r.Compose(t.Context())
		require.NoError(t, err)
		require.Len(t, c.Peers, 1, "a component that is down is still ours")
	})
	t.Run("a domain that does not answer delays nothing beyond the warmup", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{deaf: true}
			r, _ := reporter(s, "chat.shakespeare.lit", "silent.lit")
			began := time.Now()
			require.NoError(t, during(t, r, func() {
				time.Sleep(time.Minute)
				require.Len(t, s.publications(), 1)
				require.Equal(t, report.DefaultWarmup, s.publications()[0].at.Sub(began))
				require.Len(t, s.publications()[0].peers(), 2)
			}))
		})
	})
}

func TestWhatIsToldOfTheServerItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{advertise: map[string]bool{"denmark.lit": true}}
		r, conns := reporter(s, "denmark.lit")
		var users, asked atomic.Int64
		users.Store(7)
		r.Users = func(context.Context) (uint64, error) {
			asked.Add(1)
			if n := users.Load(); n >= 0 {
				return uint64(n), nil
			}
			return 0, errors.New("nobody counts")
		}
		r.Software = func(context.Context) (xep.Software, error) { return xep.Software{Name: "Globe", Version: "1"}, nil }
		log := new(logged)
		r.Logger = log.logger()
		last := func() *xep.ServerInfo { return s.publications()[len(s.publications())-1].info }
		require.NoError(t, during(t, r, func() {
			require.Equal(t, uint64(7), *last().Domains[0].ActiveUsers)
			require.Equal(t, "Globe", last().Software.Name)

			users.Store(8)
			time.Sleep(30 * time.Minute)
			require.Len(t, s.publications(), 1, "the number alone is no reason to publish")
			require.EqualValues(t, 1, asked.Load(), "nor to ask for it")

			conns.Opened("shakespeare.lit", "yorick.lit", xep.Bidi)
			time.Sleep(6 * time.Minute)
			require.Len(t, s.publications(), 2)
			require.Equal(t, uint64(8), *last().Domains[0].ActiveUsers)

			users.Store(-1)
			time.Sleep(61 * time.Minute)
			require.Len(t, s.publications(), 3)
			require.Nil(t, last().Domains[0].ActiveUsers)
			require.NotNil(t, last().Software)
			require.Equal(t, 1, log.count("nobody counts"))
		}))
	})
}

func TestTheSameErrorDoesNotFillTheLog(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(*server, *report.Reporter, *atomic.Bool)
		line  string
		again string
	}{
		{"source", func(_ *server, r *report.Reporter, broken *atomic.Bool) {
			r.Source = report.SourceFunc(func(context.Context) ([]report.Connection, error) {
				if broken.Load() {
					return nil, errors.New("broken")
				}
				return nil, nil
			})
		}, "connections are not known", "connections are known again"},
		{"temporary", func(s *server, _ *report.Reporter, _ *atomic.Bool) {
			s.refuse, s.kind = "internal-server-error", "wait"
		},
			"will try again soon", "publishing works again"},
		{"lasting", func(s *server, _ *report.Reporter, _ *atomic.Bool) { s.refuse, s.kind = "forbidden", "auth" },
			"somebody has to do something", "publishing works again"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var broken atomic.Bool
				broken.Store(true)
				s := new(server)
				r, _ := reporter(s)
				tc.spoil(s, r, &broken)
				log := new(logged)
				r.Logger = log.logger()
				require.NoError(t, during(t, r, func() {
					time.Sleep(50 * time.Minute)
					require.Equal(t, 1, log.count(tc.line))
					time.Sleep(60 * time.Minute)
					require.Equal(t, 2, log.count(tc.line), "once each heartbeat")
					broken.Store(false)
					s.set(func() { s.refuse = "" })
					time.Sleep(10 * time.Minute)
					require.Equal(t, 1, log.count(tc.again))
					require.Equal(t, 2, log.count(tc.line))
				}))
			})
		})
	}
	t.Run("one that changes all the time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := new(server)
			r, _ := reporter(s)
			n := 0
			r.Source = report.SourceFunc(func(context.Context) ([]report.Connection, error) {
				n++
				return nil, errors.New(strings.Repeat("x", n))
			})
			log := new(logged)
			r.Logger = log.logger()
			require.NoError(t, during(t, r, func() {
				time.Sleep(52 * time.Minute)
				require.LessOrEqual(t, log.count("connections are not known"), 11)
			}))
		})
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{advertise: map[string]bool{"denmark.lit": true, "yorick.lit": false}}
		r, _ := reporter(s, "denmark.lit", "yorick.lit")
		require.Zero(t, r.Stats())
		began := time.Now()
		require.NoError(t, during(t, r, func() {
			time.Sleep(11 * time.Minute)
			require.Equal(t, report.Stats{
				Turns: 3, Publications: 1, Connections: 2, Named: 1, Unnamed: 1, Bytes: len(s.publications()[0].payload),
				Looked: began.Add(10 * time.Minute), Published: began,
			}, r.Stats())
			s.set(func() { s.refuse, s.kind = "internal-server-error", "wait" })
			time.Sleep(time.Hour)
			require.Positive(t, r.Stats().Failures)
		}))
		require.EqualValues(t, 1, r.Stats().Withdrawals)
		require.Zero(t, r.Stats().Named)
	})
}

func TestSeveralDomainsWithANodeEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{advertise: map[string]bool{"denmark.lit": true, "friend.lit": true}}
		one, conns := reporter(s)
		conns.Opened("shakespeare.lit", "denmark.lit", xep.Bidi)
		conns.Opened("globe.lit", "friend.lit", xep.Bidi)
		conns.Opened("globe.lit", "denmark.lit", xep.Bidi)
		consent := &optin.Checker{Session: s}
		one.Consent = consent
		two := &report.Reporter{
			Session: s, Source: conns, Consent: consent, Logger: quiet,
			Domain: "globe.lit", Service: jid.MustParse("pubsub.globe.lit"),
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- report.RunAll(ctx, one, two) }()
		time.Sleep(time.Minute)
		peers := make(map[string][]string)
		for _, p := range s.publications() {
			require.Len(t, p.info.Domains, 1)
			peers[p.service+" "+p.info.Domains[0].Name] = p.peers()
		}
		require.Equal(t, map[string][]string{
			"pubsub.shakespeare.lit shakespeare.lit": {"denmark.lit"},
			"pubsub.globe.lit globe.lit":             {"denmark.lit", "friend.lit"},
		}, peers)
		cancel()
		require.NoError(t, <-ended)
		require.Equal(t, 2, s.view().retracted)
	})
}

func TestReportersMustNotMeet(t *testing.T) {
	s := new(server)
	for name, spoil := range map[string]func(*report.Reporter){
		"node":   func(r *report.Reporter) { r.Domain = "globe.lit" },
		"domain": func(r *report.Reporter) { r.Also, r.Domain, r.Node = []string{"shakespeare.lit"}, "globe.lit", "other" },
		"fields": func(r *report.Reporter) { r.Domain = "/" },
	} {
		t.Run(name, func(t *testing.T) {
			one, _ := reporter(s)
			two, _ := reporter(s)
			spoil(two)
			require.ErrorContains(t, report.RunAll(t.Context(), one, two), "report: ")
			require.NotNil(t, report.Handle(one, two))
		})
	}
}
