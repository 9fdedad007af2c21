-- Batches of rows of the ledger that were recorded in the last hour: one that is handed in
-- again, since its outcome was not known, is recorded once.
CREATE TABLE dragoman.batches (
	batch bigint PRIMARY KEY,
	at    timestamptz NOT NULL
);

CREATE INDEX batches_at ON dragoman.batches (at);
