-- The observation that is being written, in pieces, or whose process died over it: its time, and that of the one before it.
-- The next one takes back what it wrote.
CREATE TABLE unfinished (
	at   INTEGER NOT NULL,
	last INTEGER NOT NULL,
	one  INTEGER PRIMARY KEY DEFAULT 1 CHECK (one = 1)
) STRICT;

-- History without it: what it begins is not there yet, and what it ends goes on. Nothing else ends with the newest observation.
CREATE VIEW past_domains AS
	SELECT domain, first, CASE WHEN last IN (SELECT u.last FROM unfinished AS u) THEN 9223372036854775807 ELSE last END AS last,
		silent, unnamed, continues
	FROM seen_domains WHERE first NOT IN (SELECT u.at FROM unfinished AS u);
CREATE VIEW past_links AS
	SELECT a, b, first, CASE WHEN last IN (SELECT u.last FROM unfinished AS u) THEN 9223372036854775807 ELSE last END AS last,
		claims, continues
	FROM seen_links WHERE first NOT IN (SELECT u.at FROM unfinished AS u);

-- An observation reads what is open in the order of ids, page by page, from the indexes alone.
DROP INDEX seen_domains_last;
CREATE INDEX seen_domains_last ON seen_domains (last, domain, silent, unnamed);
DROP INDEX seen_links_last;
CREATE INDEX seen_links_last ON seen_links (last, a, b, claims);
