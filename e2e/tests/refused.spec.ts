// What cannot be accepted is said beside its field, and nothing is produced.
import { test, expect } from "../support/test";
import { addToCart, alive, choose, enter, stored } from "../support/shop";

test.use({ expectedMessages: /status of 422|preloaded using link preload but not used/ });

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("a name that is too long is told so beside the field", async ({ page }) => {
      await page.goto("/");
      const tooLong = "n".repeat(33);
      await page.getByLabel("Your name").fill(tooLong);
      const [answer] = await Promise.all([
        // The tracker posts too, and its answer may come first.
        page.waitForResponse((response) => response.url().endsWith("/hello")),
        page.getByRole("button", { name: "Enter the shop" }).click(),
      ]);
      expect(answer.status()).toBe(422);
      const field = page.getByLabel("Your name");
      await expect(field).toHaveAccessibleDescription(/at most 32 characters/);
      await expect(field).toHaveAttribute("aria-invalid", "true");
      await expect(field).toHaveValue(tooLong); // to be mended, not typed again
    });

    const names = ["<script>alert(1)</script>", "O'Brien", "👩‍👩‍👧‍👦 王小明", '"&amp;\\', "data-progress="];
    for (const name of names) {
      test(`the name ${name} is shown and stored exactly`, async ({ page, db }) => {
        const unique = `${name}${Math.random().toString(36).slice(2, 8)}`;
        page.on("dialog", () => expect(false, "a script ran").toBe(true));
        await enter(page, unique);
        if (javaScriptEnabled) await alive(page); // then it is the island that waits for the row
        await expect(page.locator(".site-header__visitor b")).toHaveText(unique);
        await addToCart(page);
        await stored(page);
        await expect(page.locator('[data-column="username"]')).toHaveText(unique);
        expect(await db.clicks(unique)).toHaveLength(1);
      });
    }
  });
}

test("a NUL in a name is refused", async ({ request }) => {
  const answer = await request.post("/hello", { form: { username: "a\0b" }, maxRedirects: 0 });
  expect(answer.status()).toBe(422);
  expect(await answer.text()).toContain("NUL");
});

test("an option that is not in the catalogue is refused beside its field, and nothing is produced", async ({
  page,
  visitor,
  db,
}) => {
  await enter(page, visitor);
  await choose(page, "Category", "Shirt");
  const bad: Record<string, string>[] = [
    { category: "hat" },
    { category: "shirt", style: "Joggers" },
    { category: "shirt", size: "XXL" },
    { category: "shirt", color: "red" },
  ];
  const token = await page.locator('input[name="token"]').inputValue();
  for (const form of bad) {
    const answer = await page.request.post("/cart", { form: { token, ...form }, maxRedirects: 0 });
    expect(answer.status(), JSON.stringify(form)).toBe(422);
    const field = Object.keys(form).at(-1)!;
    expect(await answer.text()).toContain(`id="${field}-error"`);
  }
  await addToCart(page);
  await stored(page);
  expect(await db.clicks(visitor)).toHaveLength(1); // the good one alone
});
