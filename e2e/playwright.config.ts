// A person in a real browser, against a shop that already runs: SHOP_URL (default: the start script's shop),
// and its Postgres: DATABASE_URL. `./test.sh` brings both; `cargo leptos end-to-end` and `npx playwright test`
// use the ones that are there.
import { defineConfig } from "@playwright/test";
import { execFileSync } from "node:child_process";
import { join } from "node:path";

const artifacts = process.env.ARTIFACTS ?? join(import.meta.dirname, "..", "artifacts");

/** The system's browser; undefined leaves the choice to Playwright, which then wants its own. */
function systemChromium(): string | undefined {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch {
      // Not this one.
    }
  }
  return undefined;
}

export default defineConfig({
  testDir: "tests",
  outputDir: join(artifacts, "browser"),
  fullyParallel: true,
  workers: 2,
  // A test that passes only at the second attempt has found something.
  retries: 0,
  forbidOnly: !!process.env.CI,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  // What counts everybody comes when nobody else is there, and last what breaks servers.
  projects: [
    { name: "shop", testIgnore: ["alone.spec.ts", "broken.spec.ts"] },
    { name: "alone", testMatch: "alone.spec.ts", dependencies: ["shop"] },
    { name: "broken", testMatch: "broken.spec.ts", dependencies: ["alone"] },
  ],
  use: {
    baseURL: process.env.SHOP_URL ?? "http://127.0.0.1:8501",
    browserName: "chromium",
    headless: true,
    viewport: { width: 1280, height: 900 },
    locale: "en-GB",
    screenshot: "only-on-failure",
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: systemChromium(),
      // A container has no sandbox to offer; the rest keeps a browser from calling home.
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
