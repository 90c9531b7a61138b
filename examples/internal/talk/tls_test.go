package talk

import (
	"crypto/tls"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

func tlsConfig(srv *testserver.Server) *tls.Config {
	return &tls.Config{RootCAs: srv.CertPool(), MinVersion: tls.VersionTLS12}
}
