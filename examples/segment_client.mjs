// A client in the way of analytics services: calls return at once, events travel in batches to /v1/batch, and stay
// queued until they are taken. Each has a messageId, so sending it again is no second event.
//
//   import { Client } from "./segment_client.mjs";
//   const analytics = new Client({ writeKey: "any-key" });
//   analytics.track({ userId: "ann", event: "Song Played", properties: { song: 7 } });
//   await analytics.flush();
//
// Run by itself it sends three events: API_URL says where to, USER_ID who does it.
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const MOST = 100;

export class Client {
  #queue = [];

  constructor({ url = "http://127.0.0.1:8501", writeKey, tries = 10 }) {
    Object.assign(this, { url, writeKey, tries });
  }

  track(event) {
    this.#add("track", event);
  }

  page(event) {
    this.#add("page", event);
  }

  identify(event) {
    this.#add("identify", event);
  }

  #add(type, event) {
    this.#queue.push({ messageId: randomUUID(), timestamp: new Date().toISOString(), ...event, type });
  }

  // Sends what is queued. Returns the results of events that were refused, which stay refused if sent again.
  async flush() {
    const refused = [];
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, MOST);
      const { results } = await this.#send(batch);
      this.#queue.splice(0, batch.length);
      refused.push(...results.filter((result) => !result.success));
    }
    return refused;
  }

  async #send(batch) {
    const body = () => JSON.stringify({ batch, writeKey: this.writeKey, sentAt: new Date().toISOString() });
    for (let left = this.tries; ; left -= 1) {
      let pause = 1;
      try {
        const headers = { "Content-Type": "application/json" };
        const answer = await fetch(`${this.url}/v1/batch`, { method: "POST", headers, body: body() });
        const said = await answer.json();
        // 400 with results: each event was refused by itself.
        if (said.results) return said;
        if (answer.status < 500 && answer.status !== 429) throw new Refused(said.error_description);
        pause = Number(answer.headers.get("Retry-After") ?? 1);
      } catch (error) {
        if (error instanceof Refused || left <= 1) throw error;
      }
      if (left <= 1) throw new Error(`not taken after ${this.tries} tries`);
      await wait(pause * 1000);
    }
  }
}

class Refused extends Error {}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const userId = process.env.USER_ID ?? "ann";
  const analytics = new Client({ url: process.env.API_URL, writeKey: "any-key" });
  analytics.identify({ userId, traits: { plan: "free" } });
  analytics.page({ userId, context: { page: { url: "https://example.com/", path: "/" } } });
  analytics.track({ userId, event: "Song Played", properties: { song: 7 } });
  const refused = await analytics.flush();
  console.log(`3 events are sent, ${refused.length} refused`);
  process.exitCode = refused.length === 0 ? 0 : 1;
}
