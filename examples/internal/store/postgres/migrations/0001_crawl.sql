-- What a crawler knows of each domain. Times are microseconds since 1970, 0 where something never happened.
-- A name is here and in no other table: whatever refers to a domain goes with its row.
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
	-- A node's name may hold what a text here may not, such as a zero byte.
	node       bytea   NOT NULL,
	by_default boolean NOT NULL,
	subscribed boolean NOT NULL,
	reported   bigint  NOT NULL,
	hash       bytea
);

-- Reports have a table of their own, so that a visit that finds nothing new writes a short row.
-- The hash is that of the payload that the report was made of.
CREATE TABLE reports (
	domain bigint PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
	hash   bytea,
	body   bytea NOT NULL
);
-- A report is too short for compression to pay.
ALTER TABLE reports ALTER COLUMN body SET STORAGE EXTERNAL;
