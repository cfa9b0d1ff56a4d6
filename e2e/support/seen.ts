// Who saw what: the shop's server, the page's tracker, or both.
import type { Database, Row } from "./test";

/** The visitor's events of a type, oldest first: the row's page and source, and how often it was told again. */
export function seen(db: Database, visitor: string, type: string): Promise<Row[]> {
  return db.rows(
    `SELECT path, source,
            (SELECT count(*)::int FROM retries WHERE retries.event_id = events.event_id) AS again
     FROM events WHERE username = $1 AND type = $2 ORDER BY occurred_at`,
    visitor,
    type,
  );
}

/** The pages of such events, those alone that nobody else has told of, or all. */
export function pagesOf(events: Row[], which: "all" | "told once" = "all"): unknown[] {
  const some = which === "all" ? events : events.filter((event) => event.again === 0);
  return some.map((event) => event.path);
}
