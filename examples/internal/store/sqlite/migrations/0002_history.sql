-- The end of the last verdict that a domain had: 0 once it has withdrawn its consent, and kept where it is only silent.
ALTER TABLE domains ADD COLUMN consented INTEGER NOT NULL DEFAULT 0;
UPDATE domains SET consented = until;

-- Who visits a domain at present, and until when nobody else may.
ALTER TABLE domains ADD COLUMN lease_owner TEXT NOT NULL DEFAULT '';
ALTER TABLE domains ADD COLUMN lease_until INTEGER NOT NULL DEFAULT 0;
-- A domain is ready once it is due and not leased. One index over both means that leased domains are not looked at.
CREATE INDEX domains_ready ON domains (max(due, lease_until));
CREATE INDEX domains_owner ON domains (lease_owner) WHERE lease_owner <> '';

CREATE TABLE exclusions (
	name   TEXT    PRIMARY KEY,
	since  INTEGER NOT NULL,
	reason TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each observation, with counts only: these outlive the names.
CREATE TABLE observations (
	at        INTEGER PRIMARY KEY,
	domains   INTEGER NOT NULL,
	reporting INTEGER NOT NULL,
	links     INTEGER NOT NULL,
	mutual    INTEGER NOT NULL,
	lapsed    INTEGER NOT NULL,
	unnamed   INTEGER NOT NULL
) STRICT;

-- Intervals from first to last, both included. An open one ends at 9223372036854775807.
CREATE TABLE seen_domains (
	domain INTEGER NOT NULL REFERENCES domains ON DELETE CASCADE,
	first  INTEGER NOT NULL,
	last   INTEGER NOT NULL,
	PRIMARY KEY (domain, first)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_domains_last ON seen_domains (last);

CREATE TABLE seen_links (
	a     INTEGER NOT NULL REFERENCES domains ON DELETE CASCADE,
	b     INTEGER NOT NULL REFERENCES domains ON DELETE CASCADE,
	first INTEGER NOT NULL,
	last  INTEGER NOT NULL,
	PRIMARY KEY (a, b, first),
	CHECK (a < b)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_links_b ON seen_links (b);
CREATE INDEX seen_links_last ON seen_links (last);

CREATE TABLE documents (
	key     TEXT    PRIMARY KEY,
	etag    TEXT    NOT NULL,
	fetched INTEGER NOT NULL,
	body    BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
