// Package house holds the tests of the house rules: which room may import which, what the library may never depend on,
// who may send an IQ, and that every file is short and every exported name documented.
// It has no code that anyone could call.
package house
