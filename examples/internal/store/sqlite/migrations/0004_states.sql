-- How things were while an interval lasted. Another state begins another interval, which then continues the one before.
-- A domain is silent if it didn't report itself; its unnamed peers are as many as were noted, which is not exact.
ALTER TABLE seen_domains ADD COLUMN silent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seen_domains ADD COLUMN unnamed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seen_domains ADD COLUMN continues INTEGER NOT NULL DEFAULT 0;
-- Who claimed a link: 1 the end whose name is the smaller one, 2 the other, 3 both, 0 where that was not noted.
ALTER TABLE seen_links ADD COLUMN claims INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seen_links ADD COLUMN continues INTEGER NOT NULL DEFAULT 0;
-- An observation reads all that is open from the indexes alone.
DROP INDEX seen_domains_last;
CREATE INDEX seen_domains_last ON seen_domains (last, silent, unnamed);
DROP INDEX seen_links_last;
CREATE INDEX seen_links_last ON seen_links (last, claims);
