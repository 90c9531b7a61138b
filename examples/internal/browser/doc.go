// Package browser tests the aggregator's pages as visitors have them, in a headless Chromium. There is nothing in it but tests.
package browser
