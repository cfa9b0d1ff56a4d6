// What a visitor does in the shop, in the words of the page.
import { expect, type Page } from "@playwright/test";

/** Gives a name and arrives in the shop. */
export async function enter(page: Page, name: string): Promise<void> {
  await page.goto("/");
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Enter the shop" }).click();
  await expect(page.getByRole("heading", { name: "What would you wear?" })).toBeVisible();
}

/** Waits until the page's islands are awake. */
export async function alive(page: Page): Promise<void> {
  await expect(page.locator("html")).toHaveAttribute("data-live", "");
}

/** Chooses an option of a group, as its words say. */
export async function choose(page: Page, group: string, option: string): Promise<void> {
  await radio(page, group, option).check();
}

/** The radio button of an option. */
export function radio(page: Page, group: string, option: string) {
  return page
    .getByRole("group", { name: group, exact: true })
    .getByRole("radio", { name: option, exact: true });
}

export async function addToCart(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Add to cart" }).click();
}

/** Waits for the receipt to say that the click is a row; answers with its event id. */
export async function stored(page: Page): Promise<string> {
  await expect(page.locator("[data-status]")).toHaveText(
    /stored in Postgres, \d+ ms after the shop accepted it/,
  );
  return fact(page, "event-id");
}

/** What the receipt says about one thing. */
export async function fact(page: Page, name: string): Promise<string> {
  return (await page.locator(`[data-fact="${name}"]`).innerText()).trim();
}

/** The query of the shop's address. */
export function query(page: Page): Record<string, string> {
  return Object.fromEntries(new URL(page.url()).searchParams);
}
