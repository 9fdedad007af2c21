-- Why a message is no part of what was said; see store.Mark.
ALTER TABLE messages ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
-- plain is how many messages have no mark and are complete. From now on last is the text
-- of the newest of these.
ALTER TABLE conversations ADD COLUMN plain INTEGER NOT NULL DEFAULT 0;
UPDATE conversations SET plain = count;
UPDATE conversations SET plain = plain - cut.n
	FROM (SELECT conv, count(*) AS n FROM messages WHERE incomplete <> 0 GROUP BY conv) AS cut WHERE cut.conv = cid;
UPDATE conversations SET last = coalesce((SELECT substr(group_concat(json_extract(p.value, '$.t'), char(10)), 1, 100)
	FROM json_each((SELECT parts FROM messages WHERE conv = cid AND incomplete = 0 ORDER BY seq DESC LIMIT 1)) AS p
	WHERE json_extract(p.value, '$.k') = 'text'), '') WHERE plain < count;
-- Those that a list of whole turns does not show.
CREATE INDEX conversations_hidden ON conversations (owner) WHERE plain = 0 AND count > 0;
