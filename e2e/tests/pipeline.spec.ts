// The pipeline's page: live where scripts run, and readable where none do.
import { test, expect } from "../support/test";
import { addToCart, alive, choose, enter, stored } from "../support/shop";

test("a click shows in the books by itself", async ({ page, visitor, context }) => {
  const books = await context.newPage();
  await books.goto("/pipeline");
  await alive(books);
  await expect(books.locator('[data-figure="lost"]')).toHaveText("0");
  await expect(books.locator('[data-figure="twice"]')).toHaveText("0");
  const count = async () =>
    Number((await books.locator('[data-entry="stored"]').innerText()).replaceAll(",", ""));
  const before = await count();
  await books.evaluate(() => ((globalThis as any).sameDocument = true));

  await enter(page, visitor);
  await alive(page);
  await choose(page, "Category", "Shirt");
  await addToCart(page);
  await stored(page);
  await expect.poll(count).toBeGreaterThan(before);
  expect(await books.evaluate(() => (globalThis as any).sameDocument), "it was not loaded again").toBe(true);
  await books.close();
});

test("the receipt leads the staff to the pipeline", async ({ page, visitor }) => {
  await enter(page, visitor);
  await alive(page);
  await addToCart(page);
  await stored(page);
  await page.getByRole("link", { name: "This receipt on a page of its own" }).click();
  await page.getByRole("link", { name: "To the pipeline" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "The pipeline" })).toBeVisible();
});

test("the same as JSON and as text", async ({ request }) => {
  const balance = await (await request.get("/balance")).json();
  expect(balance.balanced).toBe(true);
  expect(balance.books.lost).toBe(0);
  expect(balance.books.twice.found).toBe(0);
  expect(balance.brokers).toHaveLength(3);
  expect(balance.partitions).toHaveLength(6);
  const text = await (await request.get("/pipeline", { headers: { accept: "*/*" } })).text();
  expect(text).toMatch(/^BALANCED: 0 lost, 0 twice\n/);
});

test("nobody who comes through a proxy is staff", async ({ request }) => {
  const headers = { "x-forwarded-for": "127.0.0.1", accept: "text/html" };
  for (const address of ["/pipeline", "/pipeline/events", "/balance"]) {
    const answer = await request.get(address, { headers });
    expect(answer.status(), address).toBe(403);
    expect(await answer.text()).toContain("For the staff alone");
  }
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false, expectedMessages: /preloaded using link preload but not used/ });

  test("the page reads, and loads itself again", async ({ page }) => {
    await page.goto("/pipeline");
    await expect(page.locator('[data-figure="lost"]')).toHaveText("0");
    await expect(page.locator("[data-broker]")).toHaveCount(3);
    await expect(page.locator("[data-partition]")).toHaveCount(6);
    const time = () => page.locator("time").innerText();
    const first = await time();
    await expect.poll(time).not.toBe(first);
  });
});
