-- Which of these events are rows, by their keys, and which boot acknowledged each (the nil UUID for none).
--
-- A function only so that the ingest statement, which needs this for the rare copy, is not planned with every day's
-- partition each time: it is not called, nor planned, without arguments.
CREATE FUNCTION stored_boots(ids uuid[], times timestamptz[])
RETURNS TABLE (event_id uuid, received_at timestamptz, boot uuid)
LANGUAGE plpgsql STABLE STRICT
AS $$
#variable_conflict use_column
BEGIN
    -- One by one, by the key: a join would be planned for tables of any size.
    RETURN QUERY
    SELECT found.id, found.at, found.boot
    FROM (
        SELECT
            wanted.id, wanted.at,
            (
                SELECT coalesce(event.boot, '00000000-0000-0000-0000-000000000000')
                FROM events AS event
                WHERE event.event_id = wanted.id AND event.received_at = wanted.at
            ) AS boot
        FROM unnest(ids, times) AS wanted (id, at)
    ) AS found
    WHERE found.boot IS NOT NULL;
END
$$;

COMMENT ON FUNCTION stored_boots IS 'For the ingest statement: which events are rows already, and whose.';
