-- One row for each owner: the next conversation number, which only grows, and
-- how many conversations are there now.
CREATE TABLE owners (
	owner TEXT NOT NULL PRIMARY KEY,
	next  INTEGER NOT NULL,
	live  INTEGER NOT NULL
) WITHOUT ROWID;

-- count and last repeat what messages say, so that a list needs one row for
-- each line; tail is the seq of the next message.
CREATE TABLE conversations (
	cid     INTEGER PRIMARY KEY,
	id      TEXT NOT NULL UNIQUE,
	owner   TEXT NOT NULL,
	num     INTEGER NOT NULL,
	key     TEXT NOT NULL,
	user    TEXT NOT NULL,
	grp     TEXT NOT NULL,
	name    TEXT NOT NULL,
	model   TEXT NOT NULL,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	count   INTEGER NOT NULL,
	last    TEXT NOT NULL,
	tail    INTEGER NOT NULL
);

CREATE UNIQUE INDEX conversations_num  ON conversations (owner, num);
CREATE UNIQUE INDEX conversations_key  ON conversations (owner, key) WHERE key <> '';
CREATE INDEX conversations_updated     ON conversations (owner, updated DESC, id);
CREATE INDEX conversations_user        ON conversations (owner, user, updated DESC, id, grp);

CREATE TABLE messages (
	conv       INTEGER NOT NULL,
	seq        INTEGER NOT NULL,
	role       TEXT NOT NULL,
	name       TEXT NOT NULL,
	parts      TEXT NOT NULL,
	at         INTEGER NOT NULL,
	incomplete INTEGER NOT NULL,
	PRIMARY KEY (conv, seq)
) WITHOUT ROWID;

CREATE TABLE shares (
	hash     TEXT NOT NULL PRIMARY KEY,
	owner    TEXT NOT NULL,
	num      INTEGER NOT NULL,
	name     TEXT NOT NULL,
	model    TEXT NOT NULL,
	at       INTEGER NOT NULL,
	messages TEXT NOT NULL
);

CREATE INDEX shares_owner ON shares (owner, at DESC, hash);

CREATE TABLE masks (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	owner       TEXT NOT NULL,
	avatar      TEXT NOT NULL,
	name        TEXT NOT NULL,
	description TEXT NOT NULL,
	context     BLOB NOT NULL
);

CREATE INDEX masks_owner ON masks (owner, id);
