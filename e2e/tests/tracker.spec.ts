// Somebody else's page with our script: what a visitor does there is counted once, whatever becomes of the
// page, the network or the browser's storage. The page has another origin than the collector, as it mostly has.
import type { Page } from "@playwright/test";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test as base, expect, type Database, type Row } from "../support/test";

const collector = /\/v1\/batch$/;
const example = readFileSync("../examples/browser.html", "utf8");

/** Whose address is `site`: any path of it is the same page, under a title of its own, with the script. */
const test = base.extend<{ site: string }>({
  site: async ({ baseURL, visitor }, use) => {
    // A server of its own, because browsers keep pages that a test makes up from talking to this machine.
    const server: Server = createServer((request, answer) => {
      const path = new URL(request.url!, "http://site").pathname;
      answer.setHeader("content-type", "text/html");
      if (path === "/example") {
        const page = example.replace("http://127.0.0.1:8501", baseURL!);
        return answer.end(page.replace('data-user="ann"', `data-user="${visitor}"`));
      }
      answer.end(`<!doctype html><html lang="en"><head><title>${path}</title><link rel="icon" href="data:,">
<script defer src="${baseURL}/tracker.js" data-write-key="any" data-user="${visitor}"></script></head>
<body><button data-track="play" data-track-song="7"><b>Play</b></button>
<button>Silent</button>
<a href="/next" data-track="next">Next</a></body></html>`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.closeAllConnections();
    server.close();
  },
});

/** The visitor's events in the order in which they happened. */
function eventsOf(db: Database, visitor: string): Promise<Row[]> {
  return db.rows(
    `SELECT type, path, referrer, source, session_id, properties FROM events WHERE username = $1 ORDER BY occurred_at`,
    visitor,
  );
}

async function expectTypes(db: Database, visitor: string, types: string[]): Promise<void> {
  await expect
    .poll(async () => (await eventsOf(db, visitor)).map((row) => row.type), { timeout: 20_000 })
    .toEqual(types);
}

/** The events that the page's browser remembers. */
function remembered(page: Page): Promise<number> {
  return page.evaluate(
    () => Object.keys(localStorage).filter((key) => key.startsWith("clickshop:")).length,
  );
}

test("the page of the examples is counted, and the click on its link", async ({ page, site, visitor, db }) => {
  await page.goto(`${site}/example`);
  await page.getByRole("link", { name: "Prices" }).click();
  await expectTypes(db, visitor, ["page_view", "prices"]);
});

test("a page view is counted, and one for each path that the page gives itself", async ({
  page,
  site,
  visitor,
  db,
}) => {
  await page.goto(`${site}/a?from=mail`);
  const go = (address: string) => page.evaluate((to) => history.pushState({}, "", to), address);
  await expectTypes(db, visitor, ["page_view"]);
  await go("/b");
  await go("/b?query=1"); // the same page
  await expectTypes(db, visitor, ["page_view", "page_view"]);
  await page.evaluate(() => history.replaceState({}, "", "/c"));
  await expectTypes(db, visitor, Array(3).fill("page_view"));
  await page.goBack(); // to /b
  await expectTypes(db, visitor, Array(4).fill("page_view"));
  await page.goForward();
  await expectTypes(db, visitor, Array(5).fill("page_view"));
  const events = await eventsOf(db, visitor);
  expect(events.map((event) => event.path)).toEqual(["/a", "/b", "/c", "/b", "/c"]);
  expect(events[1].referrer).toBe(`${site}/a?from=mail`);
  expect(new Set(events.map((event) => event.session_id)).size).toBe(1);
  expect(events[0].source).toBe("tracker");
});

test("a page that comes back from the browser's memory is looked at again", async ({
  page,
  site,
  visitor,
  db,
}) => {
  await page.goto(`${site}/a`);
  await expectTypes(db, visitor, ["page_view"]);
  // Browsers under test keep no pages: this is what the others tell a page that they have kept.
  for (const persisted of [false, true]) {
    await page.evaluate((kept) => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: kept })), persisted);
  }
  await expectTypes(db, visitor, ["page_view", "page_view"]);
  const ids = await db.rows(`SELECT DISTINCT event_id FROM events WHERE username = $1`, visitor);
  expect(ids).toHaveLength(2);
  // It did not lead to itself.
  const [first, again] = await eventsOf(db, visitor);
  expect(again.referrer).toBe(first.referrer);
});

test("half a character costs no event", async ({ page, site, visitor, db }) => {
  await page.goto(`${site}/a`);
  await expectTypes(db, visitor, ["page_view"]);
  await page.evaluate(() => {
    // Cut where it is too long, within its last character.
    document.title = `${"x".repeat(255)}\u{1f600}`;
    history.pushState({}, "", "/b");
  });
  await expectTypes(db, visitor, ["page_view", "page_view"]);
  await page.evaluate(() => {
    (globalThis as any).clickshop.track("play", { song: "half \ud83d", path: "C:\\ud83d" });
  });
  await expectTypes(db, visitor, ["page_view", "page_view", "play"]);
  const play = (await eventsOf(db, visitor))[2];
  expect(play.properties).toMatchObject({ song: "half \ufffd", path: "C:\\ud83d" });
  await expect.poll(() => remembered(page)).toBe(0);
});

test.describe("where the collector respects who does not want to be followed", () => {
  test.beforeEach(async ({ context, baseURL }) => {
    await context.route(`${baseURL}/tracker.js`, async (route) => {
      const script = await (await route.fetch()).text();
      const [before, after] = script.split("const respectful = false;");
      const body = `${before}const respectful = true;${after}`;
      await route.fulfill({ contentType: "text/javascript", body });
    });
  });

  for (const [signal, value] of [
    ["globalPrivacyControl", true],
    ["doNotTrack", "1"],
  ] as const) {
    test(`a browser that says so (${signal}) keeps nothing and says no name`, async ({
      page,
      context,
      site,
      visitor,
      db,
    }) => {
      // Before it said so.
      await page.goto(`${site}/a`);
      await expectTypes(db, visitor, ["page_view"]);
      expect(await page.evaluate(() => document.cookie)).toContain("clickshop_visit=");
      await page.addInitScript(
        ([name, says]) => Object.defineProperty(navigator, name, { get: () => says }),
        [signal, value] as const,
      );
      const told = page.waitForRequest((request) => !!request.postData()?.includes('"play"'));
      await page.goto(`${site}/b`);
      await page.evaluate((name) => (globalThis as any).clickshop.identify(name, { mail: name }), visitor);
      await page.getByText("Play").click();
      expect(await remembered(page)).toBe(0);
      expect(await page.evaluate(() => document.cookie)).toBe("");
      const sent = (await told).postData()!;
      expect(sent).not.toMatch(/userId|anonymousId/);
      expect(sent).not.toContain(visitor);
      const { messageId } = JSON.parse(sent).batch.find((event: any) => event.event === "play");
      const rows = () =>
        db.rows(`SELECT username, session_id FROM events WHERE event_id = $1::uuid`, messageId);
      await expect.poll(rows, { timeout: 20_000 }).toEqual([{ username: null, session_id: null }]);
    });
  }
});

test("a click on what has a name is counted, with what its attributes say", async ({
  page,
  site,
  visitor,
  db,
}) => {
  await page.goto(`${site}/a`);
  await page.getByText("Silent").click();
  await page.getByText("Play").click(); // inside the button
  await expectTypes(db, visitor, ["page_view", "play"]);
  const play = (await eventsOf(db, visitor))[1];
  expect(play.properties).toMatchObject({ song: "7" });
  // Acknowledged, they are forgotten.
  await expect.poll(() => remembered(page)).toBe(0);
});

test("a link is followed at once, and its click is counted all the same", async ({
  page,
  site,
  visitor,
  db,
}) => {
  await page.goto(`${site}/a`);
  await expectTypes(db, visitor, ["page_view"]);
  await page.getByRole("link", { name: "Next" }).click();
  await expect(page).toHaveURL(/\/next$/);
  // The last words of one page and the first of the next; what both sent is counted once.
  await expectTypes(db, visitor, ["page_view", "next", "page_view"]);
  await expect.poll(() => remembered(page)).toBe(0);
  await expectTypes(db, visitor, ["page_view", "next", "page_view"]);
});

test("a link waits for nobody, not even for a collector that never answers", async ({
  page,
  context,
  site,
  visitor,
  db,
}) => {
  let asked = 0;
  await context.route(collector, () => void (asked += 1)); // and nothing else, ever
  await page.goto(`${site}/a`);
  await expect.poll(() => asked).toBe(1);
  const clicked = Date.now();
  await page.getByRole("link", { name: "Next" }).click();
  await expect(page).toHaveURL(/\/next$/);
  expect(Date.now() - clicked, "milliseconds from the click to the next page").toBeLessThan(2000);
  await context.unroute(collector);
  await page.reload();
  await expectTypes(db, visitor, ["page_view", "next", "page_view", "page_view"]);
});

test("where a beacon is refused, a request that outlives the page is sent", async ({
  page,
  site,
  visitor,
  db,
}) => {
  await page.addInitScript(() => {
    navigator.sendBeacon = () => {
      (globalThis as any).refused = true;
      return false;
    };
  });
  await page.goto(`${site}/a`);
  await expectTypes(db, visitor, ["page_view"]);
  const sent = page.waitForRequest(collector);
  await page.getByText("Play").click();
  // As when the tab is left: at once, not after the moment for which events wait for each other.
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide")));
  expect(await page.evaluate(() => (globalThis as any).refused)).toBe(true);
  await sent;
  await expectTypes(db, visitor, ["page_view", "play"]);
});

test("the last click before a tab is closed is counted", async ({ context, site, visitor, db }) => {
  const tab = await context.newPage();
  await tab.goto(`${site}/a`);
  await tab.getByText("Play").click();
  await tab.close({ runBeforeUnload: true });
  await expectTypes(db, visitor, ["page_view", "play"]);
});

test.describe("when nobody hears", () => {
  test.use({ expectedMessages: /net::ERR_|status of (503|401)/ });

  test("what happens offline is sent when the network is back", async ({
    page,
    context,
    site,
    visitor,
    db,
  }) => {
    await page.goto(`${site}/a`);
    await expect.poll(() => remembered(page)).toBe(0);
    await context.setOffline(true);
    await page.getByText("Play").click();
    await page.getByText("Play").click();
    await expect.poll(() => remembered(page)).toBe(2);
    await context.setOffline(false);
    await expectTypes(db, visitor, ["page_view", "play", "play"]);
    await expect.poll(() => remembered(page)).toBe(0);
  });

  test("what one page could not get rid of, the next one sends", async ({
    page,
    context,
    site,
    visitor,
    db,
  }) => {
    await context.route(collector, (route) => route.abort());
    await page.goto(`${site}/a`);
    await page.getByText("Play").click();
    await expect.poll(() => remembered(page)).toBe(2);
    await context.unroute(collector);
    await page.goto(`${site}/b`);
    await expectTypes(db, visitor, ["page_view", "play", "page_view"]);
    await expect.poll(() => remembered(page)).toBe(0);
  });

  test("a collector that is busy is asked again, and then no more", async ({
    page,
    context,
    site,
    visitor,
    db,
  }) => {
    let asked = 0;
    await context.route(collector, (route) => {
      asked += 1;
      const busy = { status: 503, headers: { "access-control-allow-origin": "*", "retry-after": "1" } };
      return asked < 3 ? route.fulfill(busy) : route.continue();
    });
    await page.goto(`${site}/a`);
    await expectTypes(db, visitor, ["page_view"]);
    await expect.poll(() => remembered(page)).toBe(0);
    expect(asked).toBe(3);
  });

  test("what came with a wrong key is kept until the key is right", async ({
    page,
    context,
    site,
    visitor,
    db,
  }) => {
    let refused = 0;
    await context.route(collector, (route) => {
      refused += 1;
      return route.fulfill({ status: 401, headers: { "access-control-allow-origin": "*" } });
    });
    await page.goto(`${site}/a`);
    await expect.poll(() => refused).toBe(2);
    expect(await remembered(page)).toBe(1);
    await context.unroute(collector);
    await expectTypes(db, visitor, ["page_view"]);
    await expect.poll(() => remembered(page)).toBe(0);
  });
});

test("where storage and cookies are forbidden, it works as long as the page lives", async ({
  page,
  site,
  visitor,
  db,
}) => {
  await page.addInitScript(() => {
    const forbidden = {
      get() {
        throw new DOMException("forbidden", "SecurityError");
      },
      set() {
        throw new DOMException("forbidden", "SecurityError");
      },
    };
    Object.defineProperty(window, "localStorage", forbidden);
    Object.defineProperty(document, "cookie", forbidden);
  });
  await page.goto(`${site}/a`);
  await page.getByText("Play").click();
  await expectTypes(db, visitor, ["page_view", "play"]);
  const events = await eventsOf(db, visitor);
  expect(events[0].session_id).toMatch(/^[0-9a-f]{32}$/);
  expect(events[1].session_id).toBe(events[0].session_id);
});
