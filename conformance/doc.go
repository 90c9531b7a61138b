// Package conformance checks publishers of XEP-0485 (PubSub Server Information) against what the specification says.
//
// [Catalogue] lists the cases: each has an ID that never changes, a level, the section that it comes from and what that says.
// There are three ways to run them, by what a case needs:
//
//   - [Payload] looks at one captured payload, offline.
//   - [Run] reads a live domain through a session, changes nothing there, and looks at its payload, too.
//   - [Publisher] runs a publisher against a network of its own making (package peer), in which peers give and withdraw their
//     consent, answer with errors and garbage, or not at all. The publisher may be a program in any language, see [Subject.Wire].
//
// All three return a [Report], which can be written as text, JSON, JUnit XML and TAP, with the stanzas behind each result.
// A case that can't be tested is skipped with the reason; [Report.Strict] makes that a failure.
//
// The vectors in testdata are for implementations in any language, see the README there.
package conformance
