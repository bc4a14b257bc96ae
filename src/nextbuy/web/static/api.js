/** The gateway's public API: `get`, `send`, and the `Problem` that both throw. */

import { csrf, clearAccount, freshUntil, storeAccount } from "./session.js";

/** An error reply or a failed request; `errors` belong to single fields: `[{field, message}]`. */
export class Problem extends Error {
  constructor(status, { detail, title, slug, errors } = {}, wait = 0) {
    const again = wait > 1 ? ` Try again in ${wait} seconds.` : "";
    super((detail || title || "The shop did not answer as expected. Try again in a moment.") + (status === 429 ? again : ""));
    this.status = status;
    this.slug = slug ?? "";
    this.errors = errors ?? [];
  }

  /** Whether the same request may succeed in a moment. */
  get transient() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const UNREACHABLE = { slug: "unreachable", detail: "The shop cannot be reached. Check the connection and try again." };
const ENDED = { slug: "session-ended", detail: "Your session has ended. Sign in again." };
const REFRESH = "/auth/api/refresh-session";

/** Read a resource; empty values of `query` are omitted, and a `quiet` request shows no progress bar. */
export function get(path, query = {}, options = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value);
  return request("GET", pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path, undefined, options);
}

/** Send a request that changes something, at most once per `key` (an idempotency key); with `etag`, only that version. */
export const send = (method, path, body, key, etag) => request(method, path, body, { key, etag });

/** The reply, or null if it is 404: missing, or not visible to this account. */
export const orNull = (reply) =>
  reply.catch((problem) => {
    if (problem.status === 404) return null;
    throw problem;
  });

async function request(method, path, body, options) {
  const wasSignedIn = csrf() !== "";
  try {
    return await fetchOnce(method, path, body, options);
  } catch (problem) {
    if (problem.status !== 401 || problem.slug === "wrong-login") throw problem;
    if (csrf() && (await refresh())) return fetchOnce(method, path, body, options);
    throw wasSignedIn && !csrf() ? new Problem(401, ENDED) : problem;
  }
}

async function fetchOnce(method, path, body, { key, etag, signal, quiet } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") Object.assign(headers, { "x-csrf-token": csrf(), "x-nextbuy-cookies": "yes" });
  if (key) headers["idempotency-key"] = key;
  if (etag) headers["if-match"] = etag;
  const finished = quiet ? () => {} : busy();
  // A request without a body is short and may outlive its page.
  const keepalive = method !== "GET" && body === undefined;
  try {
    const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal, keepalive, credentials: "same-origin" });
    const reply = response.status === 204 ? {} : await response.json().catch(() => null);
    if (!response.ok || reply === null) throw new Problem(response.status, reply ?? {}, Number(response.headers.get("retry-after")));
    return reply;
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
    throw new Problem(0, UNREACHABLE);
  } finally {
    finished();
  }
}

let refreshing = null;

/** Get a new access token, or false if the session has ended. One tab at a time, because a refresh token is valid once. */
function refresh() {
  const seen = freshUntil();
  const renewIfStale = async () => (freshUntil() > Math.max(seen, Date.now()) ? true : renew());
  refreshing ??= (navigator.locks ? navigator.locks.request("nextbuy-refresh", renewIfStale) : renewIfStale()).finally(() => (refreshing = null));
  return refreshing;
}

async function renew() {
  try {
    storeAccount(await fetchOnce("POST", REFRESH, {}));
    return true;
  } catch (problem) {
    if (!problem.transient) clearAccount();
    return false;
  }
}

/** A new idempotency key; `randomUUID` exists on secure origins only, not on plain HTTP in a local network. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Idempotency keys of a form or button: the same key for the same body until a reply has come. */
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
