-- The end of the last verdict that a domain had: 0 once it has withdrawn its consent, and kept where it is only silent.
ALTER TABLE domains ADD COLUMN consented bigint NOT NULL DEFAULT 0;
UPDATE domains SET consented = until;

-- Who visits a domain at present, and until when nobody else may.
ALTER TABLE domains ADD COLUMN lease_owner text NOT NULL DEFAULT '';
ALTER TABLE domains ADD COLUMN lease_until bigint NOT NULL DEFAULT 0;
-- A domain is ready once it is due and not leased. One index over both means that leased domains are not looked at.
CREATE INDEX domains_ready ON domains (greatest(due, lease_until));
CREATE INDEX domains_owner ON domains (lease_owner) WHERE lease_owner <> '';

CREATE TABLE exclusions (
	name   text   COLLATE "C" PRIMARY KEY,
	since  bigint NOT NULL,
	reason text   NOT NULL
);

-- The present is the same for all processes, whatever their clocks say, unless one is given.
CREATE FUNCTION present(given bigint) RETURNS bigint LANGUAGE sql STABLE AS
	$$ SELECT coalesce(given, (extract(epoch FROM now()) * 1000000)::bigint) $$;

-- What the public side sees of domains.
CREATE FUNCTION named(given bigint) RETURNS TABLE (id bigint, name text, until bigint, reported bigint) LANGUAGE sql STABLE AS $$
	SELECT d.id, d.name, d.until, d.reported FROM domains AS d
	WHERE d.until > present(given) AND NOT EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name)
$$;

-- One row for each observation, with counts only: these outlive the names.
CREATE TABLE observations (
	at        bigint PRIMARY KEY,
	domains   bigint NOT NULL,
	reporting bigint NOT NULL,
	links     bigint NOT NULL,
	mutual    bigint NOT NULL,
	lapsed    bigint NOT NULL,
	unnamed   bigint NOT NULL
);

-- Intervals from first to last, both included. An open one ends at 9223372036854775807.
CREATE TABLE seen_domains (
	domain bigint NOT NULL REFERENCES domains ON DELETE CASCADE,
	first  bigint NOT NULL,
	last   bigint NOT NULL,
	PRIMARY KEY (domain, first)
);
CREATE INDEX seen_domains_last ON seen_domains (last);

CREATE TABLE seen_links (
	a     bigint NOT NULL REFERENCES domains ON DELETE CASCADE,
	b     bigint NOT NULL REFERENCES domains ON DELETE CASCADE,
	first bigint NOT NULL,
	last  bigint NOT NULL,
	PRIMARY KEY (a, b, first),
	CHECK (a < b)
);
CREATE INDEX seen_links_b ON seen_links (b);
CREATE INDEX seen_links_last ON seen_links (last);

CREATE TABLE documents (
	key     text   PRIMARY KEY,
	etag    bytea  NOT NULL,
	fetched bigint NOT NULL,
	body    bytea  NOT NULL
);
