-- The observation that is being written, in pieces, or whose process died over it: its time, and that of the one before it.
-- The next one takes back what it wrote.
CREATE TABLE unfinished (
	at   bigint  NOT NULL,
	last bigint  NOT NULL,
	one  boolean PRIMARY KEY DEFAULT true CHECK (one)
);

-- History without it: what it begins is not there yet, and what it ends goes on. Nothing else ends with the newest observation.
CREATE VIEW past_domains AS
	SELECT domain, first, CASE WHEN last IN (SELECT u.last FROM unfinished AS u) THEN 9223372036854775807 ELSE last END AS last,
		silent, unnamed, continues
	FROM seen_domains WHERE first NOT IN (SELECT u.at FROM unfinished AS u);
CREATE VIEW past_links AS
	SELECT a, b, first, CASE WHEN last IN (SELECT u.last FROM unfinished AS u) THEN 9223372036854775807 ELSE last END AS last,
		claims, continues
	FROM seen_links WHERE first NOT IN (SELECT u.at FROM unfinished AS u);

-- An observation reads what is open in the order of ids, page by page.
DROP INDEX seen_domains_last;
CREATE INDEX seen_domains_last ON seen_domains (last) WHERE last <> 9223372036854775807;
CREATE INDEX seen_domains_open ON seen_domains (domain) WHERE last = 9223372036854775807;
DROP INDEX seen_links_last;
CREATE INDEX seen_links_last ON seen_links (last) WHERE last <> 9223372036854775807;
CREATE INDEX seen_links_open ON seen_links (a, b) WHERE last = 9223372036854775807;

-- History goes with the rows of its domains by a trigger: foreign keys, which look for both ends of each link and lock them, took two thirds
-- of the time of a first observation. A piece is written while nobody deletes domains, for which each has this lock (lockHistory).
ALTER TABLE seen_domains DROP CONSTRAINT seen_domains_domain_fkey;
ALTER TABLE seen_links DROP CONSTRAINT seen_links_a_fkey, DROP CONSTRAINT seen_links_b_fkey;
CREATE FUNCTION domain_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(516272174340);
	DELETE FROM seen_domains WHERE domain = OLD.id;
	DELETE FROM seen_links WHERE a = OLD.id;
	DELETE FROM seen_links WHERE b = OLD.id;
	RETURN NULL;
END $$;
CREATE TRIGGER domain_forgotten AFTER DELETE ON domains FOR EACH ROW EXECUTE FUNCTION domain_forgotten();
