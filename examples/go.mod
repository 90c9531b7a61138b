module github.com/xmppgraph/xmppgraph/examples

go 1.26.0

require (
	github.com/stretchr/testify v1.12.1
	github.com/xmppgraph/xmppgraph v0.0.0
)

replace github.com/xmppgraph/xmppgraph => ../
