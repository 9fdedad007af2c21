-- Keys of callers that were made at run time; models is a JSON array.
CREATE TABLE keys (
	id      TEXT NOT NULL PRIMARY KEY,
	hash    BLOB NOT NULL UNIQUE,
	name    TEXT NOT NULL,
	grp     TEXT NOT NULL,
	models  TEXT NOT NULL,
	limits  TEXT NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL
);

-- One row for each request (attempt 0) and each of its attempts.
CREATE TABLE ledger (
	seq       INTEGER PRIMARY KEY,
	request   TEXT NOT NULL,
	attempt   INTEGER NOT NULL,
	at        INTEGER NOT NULL,
	caller    TEXT NOT NULL,
	grp       TEXT NOT NULL,
	rule      TEXT NOT NULL,
	user      TEXT NOT NULL,
	front     TEXT NOT NULL,
	model     TEXT NOT NULL,
	channel   TEXT NOT NULL,
	key       INTEGER NOT NULL,
	upstream  TEXT NOT NULL,
	outcome   TEXT NOT NULL,
	status    INTEGER NOT NULL,
	input     INTEGER NOT NULL,
	output    INTEGER NOT NULL,
	cached    INTEGER NOT NULL,
	estimated INTEGER NOT NULL,
	cost      INTEGER NOT NULL,
	queue     INTEGER NOT NULL,
	open      INTEGER NOT NULL,
	first     INTEGER NOT NULL,
	took      INTEGER NOT NULL
);

CREATE INDEX ledger_request ON ledger (request);
CREATE INDEX ledger_at      ON ledger (at);
CREATE INDEX ledger_caller  ON ledger (caller, at);
