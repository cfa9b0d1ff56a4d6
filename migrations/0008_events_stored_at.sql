-- For "what was written in the last half minute", whenever it was received: a backlog's events, too. Rows are appended
-- in the order in which they are written, so a few bytes for each 32 pages find that window; `autosummarize` keeps the
-- newest pages, which are the ones that are asked for, from being read again and again until the next vacuum.
CREATE INDEX events_stored_at_brin ON events USING brin (stored_at) WITH (pages_per_range = 32, autosummarize = on);
