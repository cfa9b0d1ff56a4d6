// From a name to a row in Postgres.
import { test, expect } from "../support/test";
import { addToCart, alive, choose, enter, fact, query, radio, stored } from "../support/shop";

test("a click is followed live from the shop into Postgres", async ({ page, visitor, db }) => {
  await enter(page, visitor);
  await alive(page);
  await choose(page, "Category", "Shirt");
  await choose(page, "Cut", "Woman");
  await choose(page, "Style", "Hawaiian shirt");
  await choose(page, "Size", "L");
  await choose(page, "Colour", "Berry");
  await expect(page.locator("[data-stage] figcaption")).toHaveText(
    "Hawaiian shirt for a woman, size L, Berry",
  );
  await addToCart(page);

  const id = await stored(page);
  await expect(page).toHaveURL(/\/\?category=shirt/); // still in the shop
  expect(await db.clicks(visitor)).toEqual([
    {
      username: visitor,
      category: "shirt",
      gender: "woman",
      style: "Hawaiian shirt",
      size: "L",
      hex_color: "#9E2F55",
      event_id: id,
    },
  ]);

  // The receipt shows what was sent, what was stored, and how to see it oneself.
  const sent = JSON.parse(await page.locator("#receipt-message").innerText());
  expect(sent).toMatchObject({ event_id: id, type: "add_to_cart", username: visitor, size: "L" });
  await expect(page.locator('[data-column="hex_color"]')).toHaveText("#9E2F55");
  const found = await db.rows(await page.locator("#receipt-select").innerText());
  expect(found).toHaveLength(1);
  expect(await fact(page, "place")).toMatch(/partition \d+, offset \d+$/);
  await expect(page.locator("[data-cart-count]")).toHaveText("1");

  // Choosing a style is a click of its own.
  expect(await db.events(visitor)).toContain("item_click");
});

test.describe("without JavaScript", () => {
  // Chromium fetches what the page preloads for its scripts, and then wonders why nobody uses it.
  test.use({ javaScriptEnabled: false, expectedMessages: /preloaded using link preload but not used/ });

  test("the same click by forms alone", async ({ page, visitor, db }) => {
    await enter(page, visitor);
    await expect(page.getByRole("group", { name: "Size" })).toBeHidden();
    await choose(page, "Category", "Trousers");
    await page.getByRole("button", { name: "Show options" }).click();
    await choose(page, "Style", "Joggers");
    await choose(page, "Colour", "Forest");
    await addToCart(page);

    await expect(page.getByRole("heading", { name: "Your receipt" })).toBeVisible();
    const id = await stored(page); // the page loads itself again until it can say so
    expect(await db.clicks(visitor)).toEqual([
      {
        username: visitor,
        category: "trousers",
        gender: null,
        style: "Joggers",
        size: null,
        hex_color: "#2F6B4F",
        event_id: id,
      },
    ]);
    await page.reload();
    expect(await stored(page)).toBe(id);
    expect(await db.clicks(visitor)).toHaveLength(1);
  });

  test("sending a form twice is one click, going back to choose something else is another", async ({
    page,
    visitor,
    db,
  }) => {
    await enter(page, visitor);
    await choose(page, "Category", "Shirt");
    await addToCart(page);
    const first = await stored(page);
    await page.goBack();
    await addToCart(page);
    expect(await stored(page)).toBe(first);

    await page.goBack();
    await choose(page, "Category", "Trousers");
    await addToCart(page);
    expect(await stored(page)).not.toBe(first);
    const categories = (await db.clicks(visitor)).map((row) => row.category);
    expect(categories).toEqual(["shirt", "trousers"]);
  });
});

test("an impatient double click is one click", async ({ page, visitor, db }) => {
  await enter(page, visitor);
  await alive(page);
  await page.getByRole("button", { name: "Add to cart" }).dblclick();
  await stored(page);
  expect(await db.clicks(visitor)).toHaveLength(1);
  // The next one, made on purpose, counts.
  await addToCart(page);
  await expect(page.locator("[data-cart-count]")).toHaveText("2");
  await expect.poll(async () => (await db.clicks(visitor)).length).toBe(2);
});

test("choices live in the address, and Back takes them back", async ({ page, visitor, context }) => {
  await enter(page, visitor);
  await alive(page);
  await choose(page, "Category", "Shirt");
  await choose(page, "Size", "M");
  expect(query(page)).toEqual({ category: "shirt", size: "M" });
  const shared = page.url();
  await page.goBack();
  expect(query(page)).toEqual({ category: "shirt" });
  await expect(radio(page, "Size", "No preference")).toBeChecked();
  await page.goBack();
  await expect(page.getByRole("group", { name: "Size" })).toBeHidden();
  await page.goForward();
  await expect(radio(page, "Category", "Shirt")).toBeChecked();

  const friend = await context.newPage();
  await friend.goto(shared);
  await expect(radio(friend, "Size", "M")).toBeChecked();
});

test("a colour of one's own counts only when it is chosen", async ({ page, visitor, db }) => {
  await enter(page, visitor);
  await alive(page);
  await choose(page, "Category", "Shirt");
  await addToCart(page);
  await stored(page);
  await page.getByLabel("Pick my own colour").fill("#12ab34");
  await expect(radio(page, "Colour", "My own")).toBeChecked();
  await expect(page.locator("[data-stage] .drawing")).toHaveAttribute("color", "#12AB34");
  await addToCart(page);
  await expect
    .poll(async () => (await db.clicks(visitor)).map((row) => row.hex_color))
    .toEqual([null, "#12AB34"]);
});

test("what lies in the cart can be bought", async ({ page, visitor, db }) => {
  await enter(page, visitor);
  await alive(page);
  await choose(page, "Category", "Trousers");
  await addToCart(page);
  await stored(page);
  await page.getByRole("link", { name: /^Cart/ }).click();
  await expect(page.locator(".cart__item")).toHaveCount(1);
  await page.getByRole("button", { name: "Buy" }).click();
  await expect(page.getByRole("heading", { name: "Thank you" })).toBeVisible();
  await expect(page.locator("[data-cart-count]")).toHaveText("0");
  await expect.poll(() => db.events(visitor)).toContain("buy");
  await page.getByRole("link", { name: "Follow this purchase into Postgres" }).click();
  await stored(page);
});

test("a page view is one event, also where islands wake", async ({ page, visitor, db }) => {
  await enter(page, visitor);
  await alive(page);
  await page.goto("/cart");
  await page.goto("/");
  await alive(page);
  // One visitor's events stay in order: once this one is a row, the views before it are.
  await addToCart(page);
  await stored(page);
  const views = await db.rows(
    `SELECT path, count(*)::int AS times FROM events
     WHERE username = $1 AND type = 'page_view' GROUP BY path ORDER BY path`,
    visitor,
  );
  expect(views).toEqual([
    { path: "/", times: 2 },
    { path: "/cart", times: 1 },
  ]);
});

test("a returning visitor is remembered, by a cookie that no script reads", async ({
  page,
  context,
  visitor,
}) => {
  await enter(page, visitor);
  const again = await context.newPage();
  await again.goto("/");
  await expect(again.locator(".site-header")).toContainText(visitor);
  for (const cookie of await context.cookies()) {
    expect(cookie, cookie.name).toMatchObject({ httpOnly: true, sameSite: "Lax" });
  }
});
