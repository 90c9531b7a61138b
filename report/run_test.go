package report_test

import (
	"context"
	"errors"
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

// during runs a reporter while f runs, and returns what Run returned.
func during(t *testing.T, r *report.Reporter, f func()) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- r.Run(ctx) }()
	synctest.Wait()
	f()
	cancel()
	return <-result
}

func TestRunPublishesAndWithdraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{advertise: map[string]bool{"denmark.lit": true, "yorick.lit": false}}
		r, _ := reporter(s, "denmark.lit", "yorick.lit", "DENMARK.lit.", "no such name!", "pubsub.shakespeare.lit", "shakespeare.lit")
		require.NoError(t, during(t, r, func() {
			all := s.publications()
			require.Len(t, all, 1)
			require.Equal(t, []string{"denmark.lit", "", ""}, all[0].peers())
			require.Len(t, all[0].info.Domains[0].Federation.RemoteDomains[0].Connections, 2)
		}))
		require.Equal(t, 1, s.view().retracted)
		require.Empty(t, s.view().item)
	})
}

func TestRunCanKeepTheItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		r, _ := reporter(s)
		r.Exit = report.Keep
		require.NoError(t, during(t, r, func() {}))
		require.Zero(t, s.view().retracted)
		require.NotEmpty(t, s.view().item)
	})
}

func TestTheWarmupIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{
			advertise: map[string]bool{"slow.lit": true},
			delay:     map[string]time.Duration{"slow.lit": 20 * time.Second},
		}
		r, _ := reporter(s, "slow.lit", "silent.lit")
		began := time.Now()
		require.NoError(t, during(t, r, func() {
			time.Sleep(time.Minute)
			all := s.publications()
			require.Len(t, all, 1, "an answer that comes late waits for its turn")
			require.Equal(t, 10*time.Second, all[0].at.Sub(began))
			require.Equal(t, []string{"", ""}, all[0].peers())
			time.Sleep(5 * time.Minute)
			require.Equal(t, []string{"slow.lit", ""}, s.publications()[1].peers())
		}))
	})
}

func TestWhatHasNotChangedIsAHeartbeatOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{advertise: map[string]bool{"denmark.lit": true}}
		r, conns := reporter(s, "denmark.lit")
		require.NoError(t, during(t, r, func() {
			time.Sleep(59 * time.Minute)
			require.Len(t, s.publications(), 1)
			require.Equal(t, 1, s.view().ensured)
			time.Sleep(4 * time.Minute)
			require.Len(t, s.publications(), 2)
			require.Equal(t, 2, s.view().ensured, "the node is looked after, too")

			closed := conns.Opened("shakespeare.lit", "denmark.lit", xep.Incoming)
			time.Sleep(time.Second)
			require.Len(t, s.publications(), 2, "an event is not published at its time")
			time.Sleep(5 * time.Minute)
			require.Len(t, s.publications(), 3)
			closed()
			closed()
			time.Sleep(5 * time.Minute)
			require.Len(t, s.publications(), 4)
			require.Equal(t, s.publications()[0].payload, s.publications()[3].payload)
		}))
	})
}

func TestANameGoesWithItsConsent(t *testing.T) {
	t.Run("revoked elsewhere", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{advertise: map[string]bool{"denmark.lit": true, "slow.lit": true}}
			r, _ := reporter(s, "denmark.lit")
			r.Consent = &optin.Checker{Session: s}
			require.NoError(t, during(t, r, func() {
				require.Equal(t, []string{"denmark.lit"}, s.publications()[0].peers())
				s.set(func() { s.advertise["denmark.lit"] = false })
				r.Consent.Record(optin.Evidence{Domain: xep.MustName("denmark.lit"), Answered: true})
				time.Sleep(6 * time.Minute)
				require.Equal(t, []string{""}, s.publications()[1].peers())
			}))
		})
	})
	t.Run("silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{advertise: map[string]bool{"denmark.lit": true}}
			r, _ := reporter(s, "denmark.lit")
			began := time.Now()
			require.NoError(t, during(t, r, func() {
				time.Sleep(30 * time.Minute)
				s.set(func() { delete(s.advertise, "denmark.lit") })
				time.Sleep(2 * time.Hour)
				for _, p := range s.publications() {
					if p.at.Sub(began) >= time.Hour {
						require.Equal(t, []string{""}, p.peers())
					}
				}
				require.GreaterOrEqual(t, len(s.publications()), 2)
				require.LessOrEqual(t, s.publications()[1].at.Sub(began), time.Hour, "gone before the verdict's end")
			}))
		})
	})
	t.Run("late answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{advertise: map[string]bool{"denmark.lit": true}}
			r, _ := reporter(s, "denmark.lit")
			require.NoError(t, during(t, r, func() {
				time.Sleep(40 * time.Minute)
				s.set(func() {
					s.advertise["denmark.lit"] = false
					s.delay = map[string]time.Duration{"denmark.lit": 25 * time.Second}
				})
				time.Sleep(20 * time.Minute)
				all := s.publications()
				require.Len(t, all, 2)
				require.Equal(t, []string{""}, all[1].peers())
				// Turns come every five minutes plus ten seconds at most, so an answer after 25 s was not waited for.
				require.Positive(t, all[1].at.Sub(all[0].at)%(5*time.Minute)-10*time.Second)
			}))
		})
	})
	t.Run("source fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{advertise: map[string]bool{"denmark.lit": true}}
			r, conns := reporter(s, "denmark.lit")
			var broken atomic.Bool
			r.Source = report.SourceFunc(func(ctx context.Context) ([]report.Connection, error) {
				if broken.Load() {
					return nil, errors.New("broken")
				}
				return conns.Connections(ctx)
			})
			require.NoError(t, during(t, r, func() {
				broken.Store(true)
				s.set(func() { s.advertise["denmark.lit"] = false })
				time.Sleep(time.Hour)
				all := s.publications()
				require.Equal(t, []string{""}, all[len(all)-1].peers())
			}))
		})
	})
}

func TestRefusals(t *testing.T) {
	t.Run("temporary", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{refuse: "internal-server-error", kind: "wait"}
			r, _ := reporter(s)
			require.NoError(t, during(t, r, func() {
				time.Sleep(16 * time.Second)
				require.Equal(t, 3, s.view().attempts, "after 5 and 10 seconds")
				s.set(func() { s.refuse = "" })
				time.Sleep(time.Minute)
				require.Len(t, s.publications(), 1)
			}))
		})
	})
	t.Run("lasting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{refuse: "forbidden", kind: "auth"}
			r, _ := reporter(s)
			var failures atomic.Int32
			r.Observe = func(e report.Event) {
				if e.Err != nil {
					failures.Add(1)
				}
			}
			require.NoError(t, during(t, r, func() {
				time.Sleep(16 * time.Minute)
				require.Equal(t, 4, s.view().attempts, "once every interval")
				require.EqualValues(t, 4, failures.Load())
				s.set(func() { s.refuse = "" })
				time.Sleep(5 * time.Minute)
				require.Len(t, s.publications(), 1)
			}))
		})
	})
	t.Run("a name that can't be replaced is withdrawn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{advertise: map[string]bool{"denmark.lit": true}}
			r, _ := reporter(s, "denmark.lit")
			require.NoError(t, during(t, r, func() {
				s.set(func() {
					s.refuse, s.kind = "not-acceptable", "modify"
					s.advertise["denmark.lit"] = false
				})
				time.Sleep(time.Hour)
				require.Equal(t, 1, s.view().retracted)
				require.Empty(t, s.view().item)
			}))
		})
	})
}

func TestFieldsAreChecked(t *testing.T) {
	s := &server{}
	for name, spoil := range map[string]func(*report.Reporter){
		"no domain":      func(r *report.Reporter) { r.Domain = "" },
		"bad domain":     func(r *report.Reporter) { r.Domain = "a b" },
		"bad other":      func(r *report.Reporter) { r.Also = []string{"/"} },
		"bad omission":   func(r *report.Reporter) { r.Omit = []string{"/"} },
		"no service":     func(r *report.Reporter) { r.Service = jid.JID{} },
		"no source":      func(r *report.Reporter) { r.Source = nil },
		"no session":     func(r *report.Reporter) { r.Session = nil },
		"oversize names": func(r *report.Reporter) { r.Domain = string(make([]byte, 5000)) },
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := reporter(s)
			spoil(r)
			require.Error(t, r.Run(t.Context()))
			_, err := r.Compose(t.Context())
			require.Error(t, err)
			require.NotNil(t, r.Handle())
		})
	}
	require.Empty(t, s.published)
}
