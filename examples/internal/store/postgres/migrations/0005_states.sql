-- How things were while an interval lasted. Another state begins another interval, which then continues the one before.
-- A domain is silent if it didn't report itself; its unnamed peers are as many as were noted, which is not exact.
ALTER TABLE seen_domains
	ADD COLUMN silent    boolean NOT NULL DEFAULT false,
	ADD COLUMN unnamed   bigint  NOT NULL DEFAULT 0,
	ADD COLUMN continues boolean NOT NULL DEFAULT false;
-- Who claimed a link: 1 the end whose name is the smaller one, 2 the other, 3 both, 0 where that was not noted.
ALTER TABLE seen_links
	ADD COLUMN claims    smallint NOT NULL DEFAULT 0,
	ADD COLUMN continues boolean  NOT NULL DEFAULT false;
