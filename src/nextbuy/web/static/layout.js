/** Parts that every page has: the navigation with account and basket, errors, and paged lists. */

import { get, send } from "./api.js";
import { checkoutInProgress, units, watch } from "./basket.js";
import { announce, el, fill, icon } from "./dom.js";
import { watchUnread } from "./notifications.js";
import { account, csrf, clearAccount, storeAccount } from "./session.js";

/** Run a page: `render(main)` fills it; an error is shown with a button to try again. */
export async function start(render) {
  const main = document.getElementById("main");
  drawNav();
  watch(drawNav);
  addEventListener("signed-out", drawNav);
  addEventListener("pageshow", (event) => event.persisted && resumeCheckout());
  if (csrf() && !account()) await loadAccount();
  const run = async (again) => {
    try {
      await render(main);
    } catch (error) {
      // The session ended during rendering: render again for a visitor who is not signed in.
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
  await Promise.all([run(), resumeCheckout()]);
}

/** Show the outcome of a checkout of this tab, on whichever page its buyer returns to. */
async function resumeCheckout() {
  const checkout = checkoutInProgress();
  const page = checkout && `/session/${checkout.session_id}`;
  if (!page || location.pathname === page || account()?.role !== "buyer") return;
  const session = await get(`/order/api/payment-session/${checkout.session_id}`).catch(() => null);
  if (session && session.status !== "open") location.replace(page);
}

/** Load the account of a session that this browser has cookies for but no stored name. */
async function loadAccount() {
  try {
    const { user } = await get("/auth/api/me");
    if (!account()) storeAccount({ user, expires_in: 60 });
  } catch (problem) {
    if (problem.status === 401) clearAccount();
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
    if (problem.transient) return document.getElementById("main").prepend(notice(problem));
  }
  clearAccount();
  location.assign("/");
}

/** An error message, with a button if trying again may help. */
export function notice(error, again) {
  const retry = again && error.transient !== false && el("button", { type: "button", onclick: again }, "Try again");
  return el("div", { class: "notice bad", role: "alert" }, el("p", {}, error.message || "This page failed to load."), retry);
}

/** A placeholder for an empty list, with what to do. */
export function empty(heading, text, ...more) {
  return el("div", { class: "empty" }, el("h2", {}, heading), el("p", {}, text), more.length > 0 && el("p", { class: "row" }, more));
}

/** A link that looks like a button. */
export const linkButton = (href, text, look = "main") => el("a", { href, class: `button ${look}` }, text);

/** The account if it has this role; else null, and the page asks the visitor to sign in. */
export function requireRole(main, role, heading, why) {
  const who = account();
  if (who?.role === role) return who;
  const next = `/sign-in?as=${role}&next=${encodeURIComponent(location.pathname + location.search)}`;
  const label = { buyer: "a buyer", seller: "a seller", admin: "an admin" };
  const text = who ? `You are signed in as ${who.name}, ${label[who.role]}. ${why}` : why;
  singleMessage(main, heading, who ? `This page is for ${role}s` : "Sign in first", text, linkButton(next, who ? "Use another account" : "Sign in"));
  return null;
}

/** A page with a single message. */
export const singleMessage = (main, heading, ...text) => fill(main, el("h1", {}, heading), empty(...text));

/** Breadcrumbs: `[href, name]` of each step. */
export const crumbs = (...steps) => el("nav", { class: "crumbs", "aria-label": "Where you are" }, steps.map(([href, name]) => el("a", { href }, name)));

/** A button that loads the next page: `read(cursor)` appends rows, and returns them and the next cursor. */
export function more(place, cursor, read) {
  const status = el("div", {});
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
      if (error.name !== "AbortError") fill(status, notice(error));
    }
  };
  const button = el("button", { type: "button", onclick: go }, "Show more");
  return fill(place, cursor && [button, status]);
}

/** A paged list: an element with `row(item)` for each item, or `none` if there are no items. */
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
