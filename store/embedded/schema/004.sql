-- What was said up to now; see store.Conversation. The first one of a conversation is
-- random, so that none comes again under an id that was used before.
ALTER TABLE conversations ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
