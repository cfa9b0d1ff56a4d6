// The shop's pages have a tracker, too: it adds what no server sees, and what both see is one event.
import { test, expect } from "../support/test";
import { addToCart, alive, choose, enter, stored } from "../support/shop";
import { pagesOf, seen } from "../support/seen";

test("a page view that server and tracker tell of is one row", async ({ page, visitor, db }) => {
  await enter(page, visitor);
  const views = () => seen(db, visitor, "page_view");
  // Told by the server, and once more.
  await expect.poll(views).toEqual([{ path: "/", source: "shop", again: 1 }]);
  const [{ event_id }] = await db.rows(
    `SELECT event_id::text FROM events WHERE username = $1 AND type = 'page_view'`,
    visitor,
  );
  expect(await page.locator("script[src='/tracker.js']").getAttribute("data-view")).toBe(event_id);
  await page.goto("/cart");
  await expect.poll(async () => pagesOf(await views())).toEqual(["/", "/cart"]);
  await expect.poll(async () => pagesOf(await views(), "told once")).toEqual([]);
});

test("a page out of the browser's cache is another view, counted once", async ({ page, visitor, db }) => {
  const asked: string[] = [];
  await enter(page, visitor);
  await alive(page);
  page.on("response", (answer) => {
    if (answer.request().isNavigationRequest()) asked.push(new URL(answer.url()).pathname);
  });
  await page.goto("/cart");
  await page.goBack();
  await expect(page.getByRole("heading", { name: "What would you wear?" })).toBeVisible();
  const views = async () => pagesOf(await seen(db, visitor, "page_view")).sort();
  await expect.poll(views, asked.join()).toEqual(["/", "/", "/cart"]);
  await alive(page);
  await addToCart(page);
  await stored(page);
  await expect.poll(async () => pagesOf(await seen(db, visitor, "page_view"), "told once").length).toBeLessThan(2);
  expect(await views()).toEqual(["/", "/", "/cart"]);
});

test("a look at a style that both tell of is one row", async ({ page, visitor, db }) => {
  await enter(page, visitor);
  await alive(page);
  await choose(page, "Category", "Shirt");
  await choose(page, "Style", "Polo shirt");
  const looks = () => seen(db, visitor, "item_click");
  await expect.poll(looks).toMatchObject([{ again: 1 }]);
  await choose(page, "Style", "Hawaiian shirt");
  await expect.poll(looks).toMatchObject([{ again: 1 }, { again: 1 }]);
  const styles = await db.rows(
    `SELECT choice ->> 'style' AS style FROM events WHERE username = $1 AND type = 'item_click' ORDER BY occurred_at`,
    visitor,
  );
  expect(styles).toEqual([{ style: "Polo shirt" }, { style: "Hawaiian shirt" }]);
});

test("what no server sees is told by the tracker", async ({ page, visitor, db }) => {
  await enter(page, visitor);
  await alive(page);
  await choose(page, "Category", "Trousers");
  await choose(page, "Size", "L");
  await addToCart(page);
  await stored(page);
  await page.getByRole("button", { name: "Copy the query" }).click();
  const told = () =>
    db.rows(
      `SELECT type, source, properties ->> 'option' AS option, properties ->> 'value' AS value, properties ->> 'what' AS what
       FROM events WHERE username = $1 AND type IN ('option_chosen', 'copy') ORDER BY occurred_at`,
      visitor,
    );
  const chosen = { type: "option_chosen", source: "tracker", what: null };
  await expect.poll(told).toEqual([
    { ...chosen, option: "category", value: "trousers" },
    { ...chosen, option: "size", value: "L" },
    { type: "copy", source: "tracker", option: null, value: null, what: "receipt-select" },
  ]);
  const visits = await db.rows(`SELECT DISTINCT session_id FROM events WHERE username = $1`, visitor);
  expect(visits, "server and tracker mean one visit").toHaveLength(1);
  expect(visits[0].session_id).not.toBeNull();
});

test.describe("while the network is away", () => {
  test.use({ expectedMessages: /net::ERR_/ });

  test("a look at a style is not forgotten", async ({ page, context, visitor, db }) => {
    await enter(page, visitor);
    await alive(page);
    await choose(page, "Category", "Shirt");
    await context.setOffline(true);
    await choose(page, "Style", "Polo shirt");
    await context.setOffline(false);
    await expect.poll(() => seen(db, visitor, "item_click")).toMatchObject([{ source: "tracker" }]);
  });
});

test("where the tracker is blocked, all that the server can see is counted", async ({
  browser,
  baseURL,
  visitor,
  db,
}) => {
  const context = await browser.newContext({ baseURL });
  await context.route("**/tracker.js", (route) => route.abort());
  const page = await context.newPage();
  await enter(page, visitor);
  await alive(page);
  await choose(page, "Category", "Shirt");
  await choose(page, "Style", "Polo shirt");
  await addToCart(page);
  await stored(page);
  await page.goto("/cart");
  await expect.poll(() => db.events(visitor)).toEqual(["page_view", "item_click", "add_to_cart", "page_view"]);
  await context.close();
});
