-- Crawlers hold parts of the domains: nobody leases a single one.
-- Without the index over the due time, a visit that finds nothing new changes no index at all.
ALTER TABLE domains DROP COLUMN lease_owner, DROP COLUMN lease_until;
