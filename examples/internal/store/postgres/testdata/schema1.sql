-- A database as the first version of the schema left it. Never change this file: it stands for those that exist.
CREATE TABLE domains (
	id         bigint  PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	name       text    COLLATE "C" NOT NULL UNIQUE,
	due        bigint  NOT NULL,
	added      bigint  NOT NULL,
	answered   bigint  NOT NULL,
	mentioned  bigint  NOT NULL,
	failures   bigint  NOT NULL,
	given_up   boolean NOT NULL,
	advertised boolean NOT NULL,
	until      bigint  NOT NULL,
	service    text    NOT NULL,
	node       bytea   NOT NULL,
	by_default boolean NOT NULL,
	subscribed boolean NOT NULL,
	reported   bigint  NOT NULL,
	hash       bytea
);

CREATE TABLE reports (
	domain bigint PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
	hash   bytea,
	body   bytea NOT NULL
);
ALTER TABLE reports ALTER COLUMN body SET STORAGE EXTERNAL;

INSERT INTO domains (name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node, by_default, subscribed, reported, hash) VALUES
	('a.test', 1772366400000000, 1772366400000000, 1772366400000000, 1772366400000000, 0, false, true, 1772370000000000, '', '', false, false, 1772366400000000,
		'\x0100000000000000000000000000000000000000000000000000000000000000'),
	('silent.test', 1772366400000000, 1772366400000000, 0, 0, 7, true, false, 0, '', '', false, false, 0, NULL);
INSERT INTO reports (domain, hash, body) SELECT id,
	'\x0100000000000000000000000000000000000000000000000000000000000000',
	'\x0180c0f8daa6fda5060180909de91a060000000206622e74657374000215786e2d2d62636865722d6b76612e6578616d706c650002'
	FROM domains WHERE name = 'a.test';
CREATE TABLE schema_version (version integer NOT NULL);
INSERT INTO schema_version VALUES (1);
