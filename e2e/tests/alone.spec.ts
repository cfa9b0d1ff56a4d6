// Figures over everybody: these tests run when nobody else is in the shop.
import type { Browser, BrowserContextOptions, Page } from "@playwright/test";
import { test, expect, type Database, type Row } from "../support/test";
import { addToCart, alive, choose, enter, stored } from "../support/shop";
import { pagesOf, seen } from "../support/seen";

test.describe.configure({ mode: "serial" });

/** What a person's browser calls itself; one without a window is taken for a program. */
const userAgent =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/** A visitor in a browser of their own, who looks at two pages. */
async function visit(browser: Browser, options: BrowserContextOptions, blocked: boolean, name: string) {
  const context = await browser.newContext({ ...options, userAgent });
  if (blocked) await context.route("**/tracker.js", (route) => route.abort());
  const page = await context.newPage();
  await enter(page, name);
  await page.goto("/cart");
  return context;
}

/** What the rows say: the shop's newest page views of people, and how many of them were told once only. */
async function counted(db: Database): Promise<Row> {
  const [row] = await db.rows(
    `SELECT count(*)::int AS among, count(*) FILTER (WHERE retries.event_id IS NULL)::int AS server_only
     FROM (
       SELECT event_id FROM events WHERE type = 'page_view' AND source = 'shop' AND client_id AND bot IS NULL
       ORDER BY stored_at DESC LIMIT 1000
     ) AS view
     LEFT JOIN (SELECT DISTINCT event_id FROM retries) AS retries USING (event_id)`,
  );
  return row;
}

test("the share of page views that only the server saw is a figure of the balance page", async ({
  browser,
  baseURL,
  page,
  request,
  visitor,
  db,
}) => {
  test.setTimeout(120_000);
  const name = (who: string) => `${who} ${visitor}`;
  const contexts = [
    await visit(browser, { baseURL }, false, name("Open")),
    await visit(browser, { baseURL }, true, name("Blocked")),
    await visit(browser, { baseURL, javaScriptEnabled: false }, false, name("Plain")),
  ];
  const alone = async (who: string) => pagesOf(await seen(db, name(who), "page_view"), "told once");
  await expect.poll(() => alone("Open")).toEqual([]);
  expect(await alone("Blocked")).toEqual(["/", "/cart"]);
  expect(await alone("Plain")).toEqual(["/", "/cart"]);
  expect(pagesOf(await seen(db, name("Open"), "page_view"))).toEqual(["/", "/cart"]);

  // Nobody else is here, so the figure comes to what the rows say, as soon as they are old enough.
  const figure = async () => {
    const { views, balanced } = await (await request.get("/balance")).json();
    return { balanced, among: views?.among, server_only: views?.server_only };
  };
  await expect
    .poll(async () => ({ figure: await figure(), rows: await counted(db) }), { timeout: 60_000 })
    .toEqual({ figure: { balanced: true, ...(await counted(db)) }, rows: await counted(db) });
  const { among, server_only } = await figure();
  expect(server_only).toBeGreaterThanOrEqual(4);
  expect(among).toBeGreaterThanOrEqual(server_only + 2);

  const { views } = await (await request.get("/balance")).json();
  expect(views.share).toBeCloseTo(server_only / among, 6);
  await page.goto("/pipeline");
  const shown = page.locator('[data-figure="server-only"]');
  await expect(shown).toHaveText(/^\d+(\.\d)? %$/);
  expect(Math.abs(parseFloat(await shown.innerText()) - views.share * 100)).toBeLessThan(1);
  const text = await (await request.get("/pipeline", { headers: { accept: "*/*" } })).text();
  expect(text).toContain(`only the server saw ${server_only} of people's last ${among} page views in the shop`);
  for (const context of contexts) await context.close();
});

const totals = ["itemClicks", "addToCartClicks", "buyClicks"] as const;

/** The numbers in the page's one line that has all three. */
async function shown(page: Page): Promise<number[]> {
  const texts = await Promise.all(totals.map((name) => page.locator(`.totals [data-total="${name}"]`).innerText()));
  return texts.map((text) => Number(text.replaceAll(",", "")));
}

test("the totals on the buttons follow everybody's clicks, without a reload", async ({
  page,
  browser,
  baseURL,
  request,
  visitor,
}) => {
  await enter(page, `Watching ${visitor}`);
  await alive(page);
  await choose(page, "Category", "Shirt"); // so that the styles with their total can be seen
  await page.evaluate(() => ((globalThis as any).sameDocument = true));
  const known = async () => {
    const clicks = await (await request.get("/api/clicks")).json();
    return totals.map((name) => clicks[name]);
  };
  const before = await known();
  await expect.poll(() => shown(page)).toEqual(before);

  const context = await browser.newContext({ baseURL });
  const other = await context.newPage();
  await enter(other, `Buying ${visitor}`);
  await alive(other);
  await choose(other, "Category", "Trousers");
  await choose(other, "Style", "Joggers");
  await addToCart(other);
  await stored(other);
  await addToCart(other);
  await expect(other.locator("[data-cart-count]")).toHaveText("2");
  await other.getByRole("link", { name: /^Cart/ }).click();
  await other.getByRole("button", { name: "Buy" }).click();
  await expect(other.getByRole("heading", { name: "Thank you" })).toBeVisible();

  const after = [before[0] + 1, before[1] + 2, before[2] + 1];
  await expect.poll(() => shown(page), { timeout: 3000 }).toEqual(after);
  const text = after.map((number) => number.toLocaleString("en-GB"));
  await expect(page.locator('.button [data-total="addToCartClicks"]')).toHaveText(text[1]);
  await expect(page.locator('legend:visible [data-total="itemClicks"]')).toHaveText(text[0]);
  expect(await page.evaluate(() => (globalThis as any).sameDocument), "it was not loaded again").toBe(true);
  await context.close();

  // The same without scripts, as of the moment in which the page was rendered; also on the button that buys.
  const plain = await browser.newContext({ baseURL, javaScriptEnabled: false });
  const still = await plain.newPage();
  await enter(still, `Plain ${visitor}`);
  expect(await shown(still)).toEqual(after);
  await addToCart(still);
  await expect(still.getByRole("heading", { name: "Your receipt" })).toBeVisible();
  await still.goto("/cart");
  expect(await shown(still), "one's own click is among them at once").toEqual([after[0], after[1] + 1, after[2]]);
  await expect(still.locator('.button [data-total="buyClicks"]')).toHaveText(text[2]);
  await plain.close();
  await expect.poll(known).toEqual([after[0], after[1] + 1, after[2]]);
});
