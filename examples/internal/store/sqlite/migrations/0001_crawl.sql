-- What a crawler knows of each domain. Times are microseconds since 1970, 0 where something never happened.
-- A name is here and in no other table: whatever refers to a domain goes with its row.
CREATE TABLE domains (
	id         INTEGER PRIMARY KEY,
	name       TEXT    NOT NULL UNIQUE,
	due        INTEGER NOT NULL,
	added      INTEGER NOT NULL,
	answered   INTEGER NOT NULL,
	mentioned  INTEGER NOT NULL,
	failures   INTEGER NOT NULL,
	given_up   INTEGER NOT NULL,
	advertised INTEGER NOT NULL,
	until      INTEGER NOT NULL,
	service    TEXT    NOT NULL,
	node       TEXT    NOT NULL,
	by_default INTEGER NOT NULL,
	subscribed INTEGER NOT NULL,
	reported   INTEGER NOT NULL,
	hash       BLOB
) STRICT;

-- Reports have a table of their own, so that a visit that finds nothing new writes a short row.
-- The hash is that of the payload that the report was made of.
CREATE TABLE reports (
	domain INTEGER PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
	hash   BLOB,
	body   BLOB NOT NULL
) STRICT;
