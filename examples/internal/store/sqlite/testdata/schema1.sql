-- A database as the first version of the schema left it. Never change this file: it stands for those that exist.
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

CREATE TABLE reports (
	domain INTEGER PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
	hash   BLOB,
	body   BLOB NOT NULL
) STRICT;

INSERT INTO domains (id, name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node, by_default, subscribed, reported, hash) VALUES
	(1, 'a.test', 1772366400000000, 1772366400000000, 1772366400000000, 1772366400000000, 0, 0, 1, 1772370000000000, '', '', 0, 0, 1772366400000000,
		x'0100000000000000000000000000000000000000000000000000000000000000'),
	(2, 'silent.test', 1772366400000000, 1772366400000000, 0, 0, 7, 1, 0, 0, '', '', 0, 0, 0, NULL);
INSERT INTO reports (domain, hash, body) VALUES
	(1, x'0100000000000000000000000000000000000000000000000000000000000000',
		x'0180c0f8daa6fda5060180909de91a060000000206622e74657374000215786e2d2d62636865722d6b76612e6578616d706c650002');
PRAGMA application_id = 0x78343835;
PRAGMA user_version = 1;
