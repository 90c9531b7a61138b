// Package pubsub reads and writes the node on which a domain publishes its server information (XEP-0060, XEP-0485 §3 and §5).
//
// The reading half finds a domain's node ([Locate]) and fetches its item ([Fetch]).
// The writing half is the [Publisher]: it makes sure that the node exists and is configured as the XEP asks, publishes,
// and withdraws.
//
// What a service refuses becomes an [*Error], which keeps the pubsub-specific condition and, for the writing half, says
// what the operator of the service has to change.
package pubsub
