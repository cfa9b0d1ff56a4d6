// Every page as it looks: on a telephone and on a desk, light and dark, for every eye and ear.
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { join } from "node:path";
import { test, expect } from "../support/test";
import { addToCart, alive, choose, enter, stored } from "../support/shop";

const artifacts = process.env.ARTIFACTS ?? join(import.meta.dirname, "..", "..", "artifacts");

/** Each page, and the way there. */
const pages: Record<string, (page: Page, visitor: string) => Promise<void>> = {
  hello: async (page) => {
    await page.goto("/");
  },
  "hello-refused": async (page) => {
    await page.goto("/");
    await page.getByLabel("Your name").fill("n".repeat(33));
    await page.getByRole("button", { name: "Enter the shop" }).click();
    await expect(page.locator("#username-error")).toBeVisible();
  },
  shop: async (page, visitor) => {
    await enter(page, visitor);
    await alive(page);
  },
  "shop-shirts": async (page, visitor) => {
    await enter(page, visitor);
    await page.goto("/?category=shirt&style=Hawaiian+shirt&size=M&color=%23C25B34");
    await alive(page);
  },
  "shop-trousers": async (page, visitor) => {
    await enter(page, visitor);
    await page.goto("/?category=trousers&gender=woman&style=Cargo+pants&color=%23243B6B");
    await alive(page);
  },
  "shop-receipt": async (page, visitor) => {
    await enter(page, visitor);
    await alive(page);
    await choose(page, "Category", "Shirt");
    await addToCart(page);
    await stored(page);
  },
  receipt: async (page, visitor) => {
    await pages["shop-receipt"](page, visitor);
    await page.getByRole("link", { name: "This receipt on a page of its own" }).click();
    await expect(page.getByRole("heading", { level: 1, name: "Your receipt" })).toBeVisible();
    await stored(page);
    await alive(page);
  },
  "cart-empty": async (page, visitor) => {
    await enter(page, visitor);
    await page.goto("/cart");
  },
  cart: async (page, visitor) => {
    await pages["shop-receipt"](page, visitor);
    await page.goto("/cart");
  },
  thanks: async (page, visitor) => {
    await pages.cart(page, visitor);
    await page.getByRole("button", { name: "Buy" }).click();
    await expect(page.getByRole("heading", { name: "Thank you" })).toBeVisible();
  },
  pipeline: async (page, visitor) => {
    await pages["shop-receipt"](page, visitor);
    await page.goto("/pipeline");
    await alive(page);
    await expect(page.locator('[data-figure="twice"]')).toHaveText("0");
  },
  staff: async (page) => {
    await page.goto("/staff");
  },
  "not-found": async (page) => {
    await page.goto("/no/such/page");
  },
};

test.use({ expectedMessages: /status of (422|404)/ });

for (const [name, open] of Object.entries(pages)) {
  for (const colorScheme of ["light", "dark"] as const) {
    test(`${name}, ${colorScheme}: anybody can use it`, async ({ page }) => {
      // The longest name there is, and the widest: one word.
      const visitor = Math.random().toString(36).slice(2, 10).toUpperCase().padEnd(32, "W");
      // A screenshot in mid-movement would differ from the next one.
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await open(page, visitor);
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 900 });
        const found = await new AxeBuilder({ page }).analyze();
        const violations = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" | ")}`);
        expect(violations, `axe at ${width} px`).toEqual([]);
        await page.evaluate(() => scrollTo(0, 0)); // what sticks to the window stands where it belongs
        await page.screenshot({
          path: join(artifacts, "screenshots", `${name}-${width}-${colorScheme}.png`),
          fullPage: true,
        });
      }
      // No page is wider than the narrowest telephone.
      await page.setViewportSize({ width: 360, height: 780 });
      const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      expect(widths[0]).toBeLessThanOrEqual(widths[1]);
    });
  }
}

test("scripts are allowed one by one, nothing comes from elsewhere, nothing jumps", async ({
  page,
  visitor,
}) => {
  const elsewhere: string[] = [];
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(page.url() || request.url()).origin) {
      if (/^https?:/.test(page.url())) elsewhere.push(request.url());
    }
  });
  await page.addInitScript(() => {
    const shifts = ((globalThis as any).shifts = [] as number[]);
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as any[]) if (!entry.hadRecentInput) shifts.push(entry.value);
    }).observe({ type: "layout-shift", buffered: true });
  });
  await enter(page, visitor);
  for (const address of ["/", "/?category=shirt&style=Polo+shirt", "/cart"]) {
    const answer = await page.goto(address);
    const policy = answer!.headers()["content-security-policy"] ?? "";
    expect(policy).toContain("default-src");
    const scripts = policy.split(";").find((part) => part.trim().startsWith("script-src")) ?? "";
    expect(scripts).toContain("'nonce-");
    expect(scripts).not.toContain("unsafe-inline");
    if (address !== "/cart") await alive(page);
    await page.waitForLoadState("networkidle");
    const shifts: number[] = await page.evaluate(() => (globalThis as any).shifts);
    expect(shifts.reduce((sum, shift) => sum + shift, 0), `layout shift of ${address}`).toBeLessThan(0.01);
  }
  expect(elsewhere).toEqual([]);
});

test("the keyboard alone is enough", async ({ page, visitor, db }) => {
  await page.goto("/");
  await expect(page.getByLabel("Your name")).toBeFocused();
  await page.keyboard.type(visitor);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "What would you wear?" })).toBeVisible();
  await alive(page);
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab"); // the chosen option of the first group
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter"); // sends the form by its first button
  await stored(page);
  expect(await db.clicks(visitor)).toMatchObject([{ category: "shirt" }]);
});
