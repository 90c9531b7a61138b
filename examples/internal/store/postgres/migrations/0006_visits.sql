-- How the last visit of a domain went, in words for people.
CREATE TABLE visits (
	domain bigint PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
	at     bigint NOT NULL,
	body   bytea  NOT NULL
);
