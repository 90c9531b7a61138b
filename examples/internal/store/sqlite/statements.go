package sqlite

// The statements that a record is saved with. An update has the row's id as its last argument.
const (
	findRow   = `SELECT d.id, r.domain IS NOT NULL, r.hash FROM domains AS d LEFT JOIN reports AS r ON r.domain = d.id WHERE d.name = ?1`
	insertRow = `INSERT INTO domains (name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node,
			by_default, subscribed, reported, hash, consented)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?9)`
	updateRow = `UPDATE domains SET due = ?2, added = ?3, answered = ?4, mentioned = ?5, failures = ?6, given_up = ?7, advertised = ?8,
			until = ?9, service = ?10, node = ?11, by_default = ?12, subscribed = ?13, reported = ?14, hash = ?15,
			consented = iif(?9 = 0 AND ?8, consented, ?9)
		WHERE id = ?16 AND name = ?1`
	upsertReport = `INSERT INTO reports (domain, hash, body) VALUES (?1, ?2, ?3)
		ON CONFLICT (domain) DO UPDATE SET hash = excluded.hash, body = excluded.body`
)

// SaveStatements returns the statements that find, insert and update the row of a domain, and put its report,
// for whoever measures them by another driver.
func SaveStatements() (find, insert, update, report string) {
	return findRow, insertRow, updateRow, upsertReport
}

// WriterPragmas returns the settings of the connection that writes. Except for the log they belong to the connection, not to the file.
func WriterPragmas() []string {
	return []string{
		"journal_mode = WAL",
		// With less, a power failure may take back what was acknowledged.
		"synchronous = FULL",
		"foreign_keys = ON",
		// What was deleted, such as a name, must not be found in the file.
		"secure_delete = ON",
		"cache_size = -32768",
		"temp_store = MEMORY",
		"journal_size_limit = 67108864",
	}
}
