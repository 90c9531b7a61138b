// Package xep is the data format of XEP-0485 (PubSub Server Information): the payload that a domain publishes about itself,
// the service discovery form that says where it is published, and the domain names in both.
//
// Reading is lenient and writing is strict.
// [Unmarshal] accepts what real servers send and keeps it verbatim, [ServerInfo.Validate] says where that departs from the
// specification, [ServerInfo.Canonical] is the publishable form of it, and [Marshal] refuses everything that the specification
// does not allow.
//
// Everything here works on values and bytes: the package opens no connection and starts no goroutine.
package xep
