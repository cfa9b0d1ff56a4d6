// Counts the page views and clicks of the page that loads it, for the collector that it is loaded from:
//
//   <script defer src="https://events.example/tracker.js" data-write-key="…" data-user="ann"></script>
//   <a href="/prices" data-track="prices" data-track-from="header">Prices</a>
//
// Both attributes of the script may be left out. `clickshop.track("play", { song: 7 })`, `clickshop.page()`
// and `clickshop.identify("ann", { plan: "free" })` do by hand what the page cannot say in attributes; each
// answers with the event's id.
//
// A server that counts for itself says in further attributes under which id it has counted this view
// (`data-view`) and as which page (`data-path`), and that its own cookie names the visit (`data-visit="cookie"`).
// What both saw is then one event.
//
// What it promises the page: nothing here throws, waits for an answer, or holds up a link.
// What it promises the site: an event is remembered under its id until the collector has said that it is
// kept, and sent again until then, also from the next page. Sent twice, it is counted once.
//
// A collector that respects who does not want to be followed (RESPECT_DNT) hands out the same with one word changed,
// to everybody alike. The browser of such a visitor then keeps nothing, neither a visit nor what could not be sent,
// and says no name; what happens there is counted all the same.
//
// Lines that are comments are not handed out; so no text here may go over several lines.
(() => {
  "use strict";
  const script = document.currentScript;
  // Loaded twice, it counts once.
  if (!script || window.clickshop) return;

  const endpoint = new URL("v1/batch", script.src).href;
  const prefix = "clickshop:";
  const respectful = false;
  const unknown = respectful && (navigator.globalPrivacyControl || navigator.doNotTrack === "1");
  const { writeKey, path: givenPath } = script.dataset;
  // Characters of one event, more than the longest page view has, and of one request. A character has at most three bytes; the collector takes
  // 32 kB an event, and browsers let a page that closes send 64 kB.
  const eventMax = 9000;
  const requestMax = 15000;
  // So many events wait at most, in milliseconds for each other, and for the collector to come back.
  const unsentMax = 200;
  const together = 300;
  const retryMin = 1000;
  const retryMax = 60000;
  const visitMax = 1800000;

  // What the collector has not acknowledged: id → { text, sent }.
  const unsent = new Map();
  let user = script.dataset.user;
  let timer, busy, visitId;
  let wait = 0;
  let seen = 0;
  let path, href;
  let referrer = document.referrer;
  // The address that this page was asked for by; it may give itself others.
  const here = location.pathname;
  let viewId = script.dataset.view;

  // Storage and cookies may be forbidden. Then a page remembers as long as it lives.
  const attempt = (action) => {
    try {
      return action();
    } catch {
      return undefined;
    }
  };

  const newId = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

  // A visit ends half an hour after its last event. On the collector's own pages it has a cookie that counts more.
  const visit = () => {
    if (unknown || script.dataset.visit === "cookie") return undefined;
    const cookie = attempt(() => document.cookie.match(/(?:^|; )clickshop_visit=(\w+)/));
    const now = Date.now();
    visitId = cookie ? cookie[1] : now - seen < visitMax ? visitId : newId();
    seen = now;
    keepVisit(visitId, visitMax / 1000);
    return visitId;
  };
  const keepVisit = (id, seconds) =>
    attempt(() => {
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = "clickshop_visit=" + id + "; Path=/; SameSite=Lax; Max-Age=" + seconds + secure;
    });

  // Half of a character, such as a text that was cut within one ends with, is no text to the collector. JSON writes
  // it as an escape of its own; whatever else is escaped stays as it is.
  const jsonOf = (value) => JSON.stringify(value).replace(/\\(ud...|.)/g, (escape) => (escape[2] ? "\\ufffd" : escape));

  const forget = (id) => {
    unsent.delete(id);
    attempt(() => localStorage.removeItem(prefix + id));
  };

  // Until it is acknowledged, or for as long as the page lives.
  const remember = (id, event) => {
    const text = jsonOf(unknown ? { ...event, userId: undefined, anonymousId: undefined, traits: undefined } : event);
    if (text.length > eventMax) return;
    unsent.set(id, { text });
    attempt(() => unknown || localStorage.setItem(prefix + id, text));
    if (unsent.size > unsentMax) forget(unsent.keys().next().value);
    return id;
  };

  const record = (type, fields, id = newId()) =>
    attempt(() => {
      id = remember(id, {
        type,
        messageId: id,
        userId: user,
        anonymousId: visit(),
        timestamp: new Date(),
        context: {
          page: {
            url: location.href.slice(0, 4096),
            path: ((location.pathname === here && givenPath) || location.pathname).slice(0, 1024),
            referrer: referrer.slice(0, 2048),
            title: document.title.slice(0, 256),
          },
        },
        ...fields,
      });
      timer = timer || setTimeout(flush, together);
      return id;
    });

  // Takes what fits into one request and is not on its way yet.
  const take = () => {
    const ids = [];
    let size = 0;
    for (const [id, event] of unsent) {
      if (event.sent) continue;
      size += event.text.length;
      if (ids.length && size > requestMax) break;
      event.sent = true;
      ids.push(id);
    }
    return ids;
  };

  // Text, and no JSON: a browser asks no other site for leave (CORS preflight) before it posts text.
  const bodyOf = (ids) =>
    JSON.stringify({ writeKey, sentAt: new Date(), context: { library: { name: "tracker.js" } } }).slice(0, -1) +
    ',"batch":[' + ids.map((id) => unsent.get(id).text) + "]}";

  // A request that outlives the page, but whose answer then nobody hears.
  const post = (ids) => {
    busy = true;
    const request = { method: "POST", body: bodyOf(ids), keepalive: true };
    fetch(endpoint, request).then((answer) => settle(ids, answer), () => settle(ids));
  };

  // Kept, or refused for good: done. All else is sent again, later and later; also what came with a wrong key,
  // which is the site's mistake to mend and not the event's.
  const settle = (ids, answer) => {
    busy = false;
    const done = answer && /^(2|400|41[35])/.test(answer.status);
    for (const id of ids) {
      if (done) forget(id);
      else if (unsent.has(id)) unsent.get(id).sent = false;
    }
    const told = answer ? answer.headers.get("Retry-After") * 1000 : 0;
    wait = done ? 0 : Math.max(told || 0, Math.min(wait * 2 || retryMin, retryMax));
    clearTimeout(timer);
    timer = unsent.size ? setTimeout(flush, wait) : 0;
  };

  const flush = () => {
    clearTimeout(timer);
    timer = 0;
    if (busy || navigator.onLine === false) return;
    const ids = take();
    if (ids.length) post(ids);
  };

  // The page may be gone in a moment: what has not been sent goes as a beacon, which the browser sends
  // whatever becomes of the page. Nobody hears the answer, so it is sent again if there is a next page.
  const leave = () => {
    if (navigator.onLine === false) return;
    for (let ids; (ids = take()).length; ) {
      if (!attempt(() => navigator.sendBeacon(endpoint, bodyOf(ids)))) post(ids);
    }
  };

  const come = () => {
    if (busy) return;
    for (const event of unsent.values()) event.sent = false;
    wait = 0;
    flush();
  };

  // A page is its path: a new query or fragment is still the same one.
  const view = () => {
    if (path === location.pathname) return;
    if (href) referrer = href;
    path = location.pathname;
    href = location.href;
    record("page", {}, viewId);
    // The next view is another one.
    viewId = undefined;
  };
  // After the page's own scripts, which know its title.
  const viewSoon = () => setTimeout(view);

  const click = (event) => {
    const middle = event.button === 1;
    if (event.type === "auxclick" && !middle) return;
    const element = event.target.closest && event.target.closest("[data-track]");
    if (!element || !element.dataset.track) return;
    const properties = {};
    for (const [name, value] of Object.entries(element.dataset)) {
      if (/^track[A-Z]/.test(name)) properties[name[5].toLowerCase() + name.slice(6)] = value;
    }
    if (typeof element.href === "string") properties.href = element.href;
    record("track", { event: element.dataset.track, properties });
  };

  // What earlier pages could not get rid of. Who has asked since not to be followed has it no longer.
  if (unknown) keepVisit("", 0);
  attempt(() => {
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(prefix)) continue;
      const text = localStorage[key];
      if (unknown) localStorage.removeItem(key);
      // What is no JSON any more would spoil what it is sent with.
      attempt(() => remember(key.slice(prefix.length), JSON.parse(text)));
    }
  });

  for (const name of ["pushState", "replaceState"]) {
    const original = history[name];
    history[name] = function (...state) {
      original.apply(this, state);
      viewSoon();
    };
  }
  addEventListener("popstate", viewSoon);
  // A page that comes back from the browser's memory is looked at again. It did not lead to itself.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    path = href = undefined;
    view();
  });
  addEventListener("click", click, true);
  addEventListener("auxclick", click, true);
  addEventListener("online", come);
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => (document.visibilityState === "hidden" ? leave() : come()));

  window.clickshop = {
    track: (event, properties) => record("track", { event, properties }),
    page: (properties) => record("page", { properties }),
    identify: (id, traits) => {
      user = id;
      return record("identify", { traits });
    },
  };

  // A page out of the browser's own cache is a view that its server does not know of.
  const load = attempt(() => performance.getEntriesByType("navigation")[0]);
  if (load && load.transferSize === 0) viewId = undefined;
  // A page that is only being prepared has not been seen.
  if (document.prerendering) document.addEventListener("prerenderingchange", view, { once: true });
  else view();
  if (unsent.size && !timer) flush();
})();
