module github.com/xmppgraph/xmppgraph/examples

go 1.26.0

require (
	github.com/stretchr/testify v1.12.1
	github.com/xmppgraph/xmppgraph v0.0.0
)

require (
	github.com/peterbourgon/ff/v3 v3.4.0 // indirect
	github.com/rogpeppe/go-internal v1.16.0 // indirect
)

replace github.com/xmppgraph/xmppgraph => ../
