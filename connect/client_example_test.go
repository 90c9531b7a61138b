package connect_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

func ExampleClient() {
	srv := testserver.New(testserver.Config{})
	defer srv.Close()

	ctx := context.Background()
	cfg := connect.Config{
		JID:      jid.MustParse("user@me.test/crawler"),
		Password: "a wrong guess",
		Server:   srv.ClientAddr(),                     // found through DNS by default
		TLS:      &tls.Config{RootCAs: srv.CertPool()}, // a CA of one's own
	}
	_, err := connect.Client(ctx, cfg)
	var e *connect.Error
	if errors.As(err, &e) {
		fmt.Printf("%v: %s\n", e.Kind, e.Remedy)
	}

	cfg.Password = testserver.Password
	s, err := connect.Client(ctx, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	fmt.Println("connected as", s.LocalAddr())
	// Output:
	// credentials refused: check the password, and that the account exists
	// connected as user@me.test/crawler
}
