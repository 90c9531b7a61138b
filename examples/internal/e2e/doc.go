// Package e2e holds tests that need more than one program, or more modules than the library may depend on.
package e2e
