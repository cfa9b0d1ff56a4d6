// What breaks is seen, at once and in words, and so is its return. Runs alone, after all other tests.
import AxeBuilder from "@axe-core/playwright";
import { join } from "node:path";
import { test, expect } from "../support/test";
import { alive } from "../support/shop";
import { ours, server } from "../support/stack";

const artifacts = process.env.ARTIFACTS ?? join(import.meta.dirname, "..", "..", "artifacts");

test("a broker's death shows within two seconds, and its return", async ({ page }) => {
  test.skip(!ours(), "the servers are not this run's own");
  test.setTimeout(240_000);
  await page.goto("/pipeline");
  await alive(page);
  const broker = page.locator('[data-broker="2"]');
  await expect(broker.locator(".broker__state")).toHaveText("up");
  const headline = page.getByRole("status").first();
  await expect(headline).not.toContainText("down");

  // From before the command that kills until the word is on the page. The command returns a moment after the signal.
  const asked = Date.now();
  server("kill9", "broker2");
  const left = Math.max(1, asked + 2000 - Date.now());
  await expect(broker.locator(".broker__state")).toHaveText("down", { timeout: left });
  await expect(headline).toHaveText("The books balance, but something is down.", { timeout: 15_000 });
  await expect(page.locator(".trouble--bad")).toContainText(["Broker 2 is down since"]);
  await expect(page.locator('[data-figure="lost"]')).toHaveText("0");

  // Others lead what it led; its copies stay behind until it is back.
  await expect(broker.getByText("nothing", { exact: true })).toBeVisible({ timeout: 30_000 });
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      const found = await new AxeBuilder({ page }).analyze();
      expect(found.violations.map((one) => one.id), `axe, ${colorScheme}, ${width} px`).toEqual([]);
      await page.screenshot({
        path: join(artifacts, "screenshots", `pipeline-broken-${width}-${colorScheme}.png`),
        fullPage: true,
      });
    }
  }

  server("start", "broker2");
  await expect(broker.locator(".broker__state")).toContainText("up", { timeout: 5000 });
  await expect(headline).toHaveText("The books balance, and everything is up.", { timeout: 90_000 });
});

test.afterAll(() => {
  if (ours()) server("up");
});
