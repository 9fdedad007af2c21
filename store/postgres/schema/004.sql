-- What was asked beside chat, and what is counted of it besides tokens.
ALTER TABLE dragoman.ledger
	ADD COLUMN endpoint text NOT NULL DEFAULT '',
	ADD COLUMN sound bigint NOT NULL DEFAULT 0,
	ADD COLUMN images bigint NOT NULL DEFAULT 0;
