-- Domains fall into parts that crawlers hold, by the first ten bits of a hash of their names.
ALTER TABLE domains ADD COLUMN part smallint NOT NULL
	GENERATED ALWAYS AS ((get_byte(decode(md5(name), 'hex'), 0) * 4 + get_byte(decode(md5(name), 'hex'), 1) / 64)::smallint) STORED;
CREATE INDEX domains_part ON domains (part);

-- A part is held by its owner as long as that one is alive: a renewal writes one short row, however many domains there are.
CREATE TABLE parts (
	part  smallint PRIMARY KEY,
	owner text     NOT NULL
);
INSERT INTO parts SELECT part, '' FROM generate_series(0, 1023) AS part;
CREATE TABLE crawlers (
	name  text   PRIMARY KEY,
	until bigint NOT NULL
);

-- The transaction that last changed what others show of a domain. Those that end later may have begun earlier:
-- whoever follows reads on from the oldest that was still running when it last read.
ALTER TABLE domains ADD COLUMN change xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX domains_change ON domains (change);
-- The transaction, and the time, in which somebody other than the holder made the domain known or due.
ALTER TABLE domains ADD COLUMN called xid8 NOT NULL DEFAULT '0';
ALTER TABLE domains ADD COLUMN called_at bigint NOT NULL DEFAULT 0;
CREATE INDEX domains_called ON domains (called) WHERE called > '0';

-- Rows that went, for those who have shown them. They are kept for a while, without a name.
CREATE TABLE departed (
	domain bigint NOT NULL,
	change xid8   NOT NULL DEFAULT pg_current_xact_id(),
	at     bigint NOT NULL
);
CREATE INDEX departed_change ON departed (change);

CREATE FUNCTION domain_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.change := pg_current_xact_id();
	RETURN NEW;
END $$;
CREATE TRIGGER domain_changed BEFORE UPDATE ON domains FOR EACH ROW
	WHEN (OLD.until <> NEW.until OR OLD.reported <> NEW.reported) EXECUTE FUNCTION domain_changed();

CREATE FUNCTION domain_departed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO departed (domain, at) VALUES (OLD.id, present(NULL));
	RETURN NULL;
END $$;
CREATE TRIGGER domain_departed AFTER DELETE ON domains FOR EACH ROW WHEN (OLD.until <> 0) EXECUTE FUNCTION domain_departed();

CREATE FUNCTION exclusion_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE domains SET change = pg_current_xact_id() WHERE name = coalesce(NEW.name, OLD.name);
	RETURN NULL;
END $$;
CREATE TRIGGER exclusion_changed AFTER INSERT OR DELETE ON exclusions FOR EACH ROW EXECUTE FUNCTION exclusion_changed();

-- Processes that share the schema listen to a channel with its name.
CREATE FUNCTION domains_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('xmppgraph.' || TG_TABLE_SCHEMA, '');
	RETURN NULL;
END $$;
CREATE TRIGGER domains_told AFTER INSERT OR UPDATE OR DELETE ON domains FOR EACH STATEMENT EXECUTE FUNCTION domains_told();
