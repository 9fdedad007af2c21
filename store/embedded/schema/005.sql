-- How many requests a row stands for: refusals of one caller under one rule share one.
ALTER TABLE ledger ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
