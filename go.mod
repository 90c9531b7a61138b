module github.com/xmppgraph/xmppgraph

go 1.26.0

require (
	github.com/stretchr/testify v1.12.1
	golang.org/x/net v0.62.0
	golang.org/x/text v0.43.0
	mellium.im/xmlstream v0.15.4
	mellium.im/xmpp v0.22.0
)
