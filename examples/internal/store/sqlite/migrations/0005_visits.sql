-- How the last visit of a domain went, in words for people.
CREATE TABLE visits (
	domain INTEGER PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
	at     INTEGER NOT NULL,
	body   BLOB    NOT NULL
) STRICT;
