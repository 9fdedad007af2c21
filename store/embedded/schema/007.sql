-- What was asked beside chat, and what is counted of it besides tokens.
ALTER TABLE ledger ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';
ALTER TABLE ledger ADD COLUMN sound INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN images INTEGER NOT NULL DEFAULT 0;
