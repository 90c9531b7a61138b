// Package connect holds one supervised XMPP session, as a client (RFC 6120) or as a component (XEP-0114).
//
// A crawler talks to thousands of servers that strangers run, through one session.
// The [Session] made here survives what they send: stanzas are framed, bounded and checked before anything else sees them,
// replies go as bytes straight to the request that waits for them, a slow handler delays no reply, and a connection that
// is lost is made again.
// Nothing that a stranger sends reaches mellium's reader unless it is known to be harmless there.
//
// [Client] and [Component] return when the session is ready for use:
//
//	s, err := connect.Component(ctx, connect.Config{
//		JID:    jid.MustParse("crawl.example.org"),
//		Server: "localhost:5347",
//		Secret: secret,
//	})
//	if err != nil {
//		return err // *connect.Error: says what to fix
//	}
//	defer s.Close()
//
// The session has the method that every role of this module asks for, and works with them all.
package connect
