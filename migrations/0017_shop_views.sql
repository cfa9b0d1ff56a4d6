-- The page views that the shop has counted itself and that a tracker may have told of, too, in the order in which they
-- became rows: so that the newest are found at once, however many other events there are. Whether the tracker did is
-- known from `retries`, where the second copy under the same id stands.
--
-- Such a view costs one entry at the index's end; every other event costs nothing. Older rows have no place in it, but
-- making it reads all of them once, while nobody writes.
CREATE INDEX events_shop_views ON events (stored_at)
WHERE type = 'page_view' AND source = 'shop' AND client_id;
