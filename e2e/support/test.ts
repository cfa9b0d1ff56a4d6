// What every test starts with: a visitor with a name of their own, a look into Postgres, and an eye on the
// console. A console error or warning, an uncaught error or a breach of the content security policy fails the
// test in which it happens.
import { test as base, expect, type Page } from "@playwright/test";
import pg from "pg";

export { expect };

export type Row = Record<string, unknown>;

export interface Database {
  /** All rows of a query. */
  rows(sql: string, ...values: unknown[]): Promise<Row[]>;
  /** The rows of clickstream_data of one visitor, oldest first. */
  clicks(username: string): Promise<Row[]>;
  /** The types of one visitor's events, oldest first. */
  events(username: string): Promise<string[]>;
}

interface Fixtures {
  /** A name that no other test uses. */
  visitor: string;
  db: Database;
  /** The console messages that a test provokes on purpose. */
  expectedMessages: RegExp;
  watched: void;
}

/** What a page complained about, for contexts that a test opens itself. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      complaints.push(`${message.type()}: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  return complaints;
}

export const test = base.extend<Fixtures, { pool: pg.Pool }>({
  pool: [
    async ({}, use) => {
      const pool = new pg.Pool({
        connectionString:
          process.env.DATABASE_URL ?? "postgres://default:default123@127.0.0.1:5432/clickstream",
        max: 2,
      });
      await use(pool);
      await pool.end();
    },
    { scope: "worker" },
  ],

  visitor: async ({}, use) => {
    await use(`Visitor ${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`);
  },

  db: async ({ pool }, use) => {
    const rows = async (sql: string, ...values: unknown[]) => (await pool.query(sql, values)).rows;
    await use({
      rows,
      clicks: (username) =>
        rows(
          `SELECT username, category, gender, style, size, hex_color, event_id::text
           FROM clickstream_data WHERE username = $1 ORDER BY creation_timestamp`,
          username,
        ),
      events: async (username) => {
        const found = await rows(
          `SELECT type FROM events WHERE username = $1 ORDER BY received_at`,
          username,
        );
        return found.map((row) => String(row.type));
      },
    });
  },

  expectedMessages: [/^$/, { option: true }],

  watched: [
    async ({ page, expectedMessages }, use) => {
      const complaints = complaintsOf(page);
      await use();
      const unexpected = complaints.filter((complaint) => !expectedMessages.test(complaint));
      expect(unexpected, "the console stays silent").toEqual([]);
    },
    { auto: true },
  ],
});
