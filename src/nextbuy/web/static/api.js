/** The gateway's public API: `get`, `send`, and the `Problem` that both throw. */

import { csrf, forget, freshUntil, isStale, remember } from "./session.js";

/** What went wrong, as a sentence; `errors` are for single fields: `[{field, message}]`. */
export class Problem extends Error {
  constructor(status, { detail, title, slug, errors } = {}, wait = 0) {
    const again = wait > 1 ? ` Try again in ${wait} seconds.` : "";
    super((detail || title || "The shop did not answer as expected. Try again in a moment.") + (status === 429 ? again : ""));
    this.status = status;
    this.slug = slug ?? "";
    this.errors = errors ?? [];
  }

  /** Whether the same request may work in a moment. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const UNREACHABLE = { slug: "unreachable", detail: "The shop cannot be reached. Check the connection and try again." };
const ENDED = { slug: "session-ended", detail: "Your session has ended. Sign in again." };
const REFRESH = "/auth/api/refresh-session";

/** Read something; `query` values that are empty are left out. What is `quiet` shows nobody that it takes long. */
export function get(path, query = {}, options = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value);
  return ask("GET", pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path, undefined, options);
}

/** Do something, once per `key` (an idempotency key) however often it is sent. */
export const send = (method, path, body, key) => ask(method, path, body, { key });

/** The answer, or null where there is no such thing (or it is not this account's to see). */
export const found = (answer) =>
  answer.catch((problem) => {
    if (problem.status === 404) return null;
    throw problem;
  });

async function ask(method, path, body, options) {
  const wasKnown = csrf() !== "";
  if (isStale()) await refresh();
  try {
    return await once(method, path, body, options);
  } catch (problem) {
    if (problem.status !== 401 || problem.slug === "wrong-login") throw problem;
    if (csrf() && (await refresh())) return once(method, path, body, options);
    throw wasKnown && !csrf() ? new Problem(401, ENDED) : problem;
  }
}

async function once(method, path, body, { key, signal, quiet } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") Object.assign(headers, { "x-csrf-token": csrf(), "x-nextbuy-cookies": "yes" });
  if (key) headers["idempotency-key"] = key;
  const finished = quiet ? () => {} : busy();
  // What has no body is short, and may outlive its page.
  const keepalive = method !== "GET" && body === undefined;
  try {
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal, keepalive, credentials: "same-origin" });
    const read = answer.status === 204 ? {} : await answer.json().catch(() => null);
    if (!answer.ok || read === null) throw new Problem(answer.status, read ?? {}, Number(answer.headers.get("retry-after")));
    return read;
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
    throw new Problem(0, UNREACHABLE);
  } finally {
    finished();
  }
}

let refreshing = null;

/** Get a new access token; false where the session has ended. One at a time, over all tabs: a refresh token is good once. */
function refresh() {
  const seen = freshUntil();
  const turn = async () => (freshUntil() > Math.max(seen, Date.now()) ? true : renew());
  refreshing ??= (navigator.locks ? navigator.locks.request("nextbuy-refresh", turn) : turn()).finally(() => (refreshing = null));
  return refreshing;
}

async function renew() {
  try {
    remember(await once("POST", REFRESH, {}));
    return true;
  } catch (problem) {
    if (!problem.passing) forget();
    return false;
  }
}

/** A new idempotency key; `randomUUID` is only there on secure origins, which a phone in the same network is not on. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Hand out one key for one attempt: the same again while the same thing is tried and no answer has come. */
export function attempts() {
  let last = {};
  return {
    key(body) {
      const text = JSON.stringify(body ?? null);
      if (last.text !== text) last = { text, key: newKey() };
      return last.key;
    },
    answered: () => (last = {}),
  };
}

let running = 0;

function busy() {
  const shown = setTimeout(() => document.documentElement.classList.add("busy"), 300);
  running += 1;
  return () => {
    clearTimeout(shown);
    running -= 1;
    if (running === 0) document.documentElement.classList.remove("busy");
  };
}
