-- Whether the latest turn asked for a web search.
ALTER TABLE conversations ADD COLUMN web INTEGER NOT NULL DEFAULT 0;
