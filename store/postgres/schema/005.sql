-- What each process has spent of a budget in a period, and holds for questions that run. seq is of
-- the process's call that wrote the row, so that a late one changes nothing. The row without a
-- replica has what was spent besides: it stands for the account, and its seq is chosen at random.
CREATE TABLE dragoman.accounts (
	rule    text COLLATE "C" NOT NULL,
	caller  text COLLATE "C" NOT NULL,
	begins  bigint NOT NULL,
	ends    bigint NOT NULL,
	replica text COLLATE "C" NOT NULL,
	seq     bigint NOT NULL,
	spent   bigint NOT NULL,
	held    bigint NOT NULL,
	PRIMARY KEY (rule, caller, begins, ends, replica)
) WITH (fillfactor = 50);

CREATE INDEX accounts_ends ON dragoman.accounts (ends);
