-- The page views of people that the shop has counted itself, in the order in which they became rows: so that the newest
-- are found at once, however many other events there are. Whether a tracker told of them, too, is known from `retries`,
-- where the second copy under the same id stands.
--
-- Such a view costs one entry at the index's end; every other event the look at its first columns here, of which most
-- events fail the first. Older rows have no place in it, but making it reads all of them once, while nobody writes.
CREATE INDEX events_shop_views ON events (stored_at)
WHERE client_id AND source = 'shop' AND type = 'page_view' AND bot IS NULL;
