/** What every page has: who is signed in, the count of the basket, and a way to say that something failed. */

import { get, send } from "./api.js";
import { paying, units, watch } from "./basket.js";
import { announce, el, fill, icon } from "./dom.js";
import { watchUnread } from "./notes.js";
import { account, csrf, forget, remember } from "./session.js";

/** Run a page: `render(main)` fills it; what it throws is shown with a way to try again. */
export async function start(render) {
  const main = document.getElementById("main");
  drawNav();
  watch(drawNav);
  addEventListener("signed-out", drawNav);
  addEventListener("pageshow", (event) => event.persisted && lookBack());
  if (csrf() && !account()) await recall();
  const run = async (again) => {
    try {
      await render(main);
    } catch (error) {
      // The session ended while the page was being made: it is made again for somebody who is not signed in.
      if (error.slug === "session-ended" && !again) return run(true);
      fill(main, notice(error, () => run()));
      if (!("slug" in error)) console.error(error);
    }
  };
  watchUnread((count) => {
    if (count === unread) return;
    unread = count;
    drawNav();
  });
  await Promise.all([run(), lookBack()]);
}

/** A payment that was begun in this tab and has come to an end is told of, wherever its buyer comes back to. */
async function lookBack() {
  const begun = paying();
  const told = begun && `/session/${begun.session_id}`;
  if (!told || location.pathname === told || account()?.role !== "buyer") return;
  const session = await get(`/order/api/payment-session/${begun.session_id}`).catch(() => null);
  if (session && session.status !== "open") location.replace(told);
}

/** A name for a session that this browser holds but does not remember. */
async function recall() {
  try {
    const { user } = await get("/auth/api/me");
    if (!account()) remember({ user, expires_in: 60 });
  } catch (problem) {
    if (problem.status === 401) forget();
  }
  drawNav();
}

const PLACES = { buyer: [["/orders", "Orders"]], seller: [["/sell", "Your shop"]], admin: [["/admin", "Admin"]] };

const BELL = "M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20.5a2.2 2.2 0 0 0 4 0";
let unread = 0;

function bell(link) {
  const node = link("/notifications", icon(BELL), unread > 0 && el("span", { class: "count" }, unread > 99 ? "99+" : unread));
  node.className = "bell";
  node.setAttribute("aria-label", unread ? `Notifications, ${unread} unread` : "Notifications");
  return node;
}

function drawNav() {
  const who = account();
  const held = units();
  const link = (href, ...text) => el("a", { href, "aria-current": location.pathname === href && "page" }, text);
  const back = encodeURIComponent(location.pathname + location.search);
  const hello = who
    ? el("button", { class: "link", type: "button", onclick: signOut, title: `Signed in as ${who.name}` }, "Sign out")
    : link(location.pathname === "/sign-in" ? "/sign-in" : `/sign-in?next=${back}`, "Sign in");
  fill(
    document.getElementById("nav"),
    (PLACES[who?.role] ?? []).map(([href, text]) => link(href, text)),
    who && bell(link),
    hello,
    link("/basket", "Basket", el("span", { class: "count", "aria-label": `${held} in it` }, held)),
  );
}

async function signOut() {
  try {
    await send("POST", "/auth/api/logout");
  } catch (problem) {
    if (problem.passing) return document.getElementById("main").prepend(notice(problem));
  }
  forget();
  location.assign("/");
}

/** A sentence about what failed, with a button where trying again may help. */
export function notice(error, again) {
  const retry = again && error.passing !== false && el("button", { type: "button", onclick: again }, "Try again");
  return el("div", { class: "notice bad", role: "alert" }, el("p", {}, error.message || "Something broke on this page."), retry);
}

/** A place that is empty, with what to do about it. */
export function empty(heading, text, ...more) {
  return el("div", { class: "empty" }, el("h2", {}, heading), el("p", {}, text), more.length > 0 && el("p", { class: "row" }, more));
}

/** A link that looks like a button. */
export const linkButton = (href, text, look = "main") => el("a", { href, class: `button ${look}` }, text);

/** The account where it has this role; else null, and the page says what to do. */
export function needed(main, role, heading, why) {
  const who = account();
  if (who?.role === role) return who;
  const next = `/sign-in?as=${role}&next=${encodeURIComponent(location.pathname + location.search)}`;
  const kind = { buyer: "a buyer", seller: "a seller", admin: "an admin" };
  const text = who ? `You are signed in as ${who.name}, ${kind[who.role]}. ${why}` : why;
  alone(main, heading, who ? `This is for ${kind[role]}` : "Sign in first", text, linkButton(next, who ? "Use another account" : "Sign in"));
  return null;
}

/** A page that has only one thing to say. */
export const alone = (main, heading, ...said) => fill(main, el("h1", {}, heading), empty(...said));

/** The way back from a page: `[address, name]` of each step. */
export const crumbs = (...steps) => el("nav", { class: "crumbs", "aria-label": "Where you are" }, steps.map(([href, name]) => el("a", { href }, name)));

/** The place of the button that reads on: `read(cursor)` adds to the list, and returns what it added and the next cursor. */
export function more(place, cursor, read) {
  const told = el("div", {});
  const go = async () => {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    try {
      const { rows, next } = await read(cursor);
      rows[0]?.querySelector("a, button")?.focus();
      announce(`${rows.length} more shown`);
      more(place, next, read);
    } catch (error) {
      button.removeAttribute("aria-busy");
      if (error.name !== "AbortError") fill(told, notice(error));
    }
  };
  const button = el("button", { type: "button", onclick: go }, "Show more");
  return fill(place, cursor && [button, told]);
}

/** A list read page by page: an element that holds `row(item)` for each, or `none`. */
export async function paged({ path, query, row, none }) {
  const list = el("ul", { class: "rows" });
  const read = async (cursor) => {
    const page = await get(path, { ...query, limit: 20, cursor });
    const rows = page.items.map((item) => row(item));
    list.append(...rows);
    return { rows, next: page.next_cursor };
  };
  const { rows, next } = await read();
  return rows.length ? el("div", {}, list, more(el("div", { class: "more" }), next, read)) : none;
}
