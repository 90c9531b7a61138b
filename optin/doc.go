// Package optin decides which domains may be named (XEP-0485 §3 and §7), and makes one's own domain say that it may.
//
// A domain that advertises the feature "urn:xmpp:serverinfo:0" in its own disco#info may be named by others; every other
// domain may only be counted.
// Consent is a type here: a [Verdict] can't be made outside of this package, and neither can a [Redacted] value, which is
// the only thing that package report publishes.
// The zero values of both name nobody.
//
// What was asked and answered is [Evidence], the decision is the pure function [Decide], and a [Checker] gathers the
// evidence, remembers the verdicts and lets them lapse.
// No answer, an error, a form without the feature or the mere existence of a node is no consent, and a failed attempt to
// refresh a verdict never prolongs it.
//
// [Advert] is the other side: what a domain answers so that it may be named.
package optin
