-- Crawlers that share a database hold parts of the domains, and those only in PostgreSQL: nobody leases a single domain.
DROP INDEX domains_ready;
DROP INDEX domains_owner;
ALTER TABLE domains DROP COLUMN lease_owner;
ALTER TABLE domains DROP COLUMN lease_until;
