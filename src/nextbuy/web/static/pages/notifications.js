/** `/notifications`: the notifications of the signed-in account, newest first. */

import { announce, el, fill, title } from "../dom.js";
import { action } from "../form.js";
import { empty, linkButton, paged, singleMessage, start } from "../layout.js";
import { markRead, notificationsApi } from "../notifications.js";
import { account } from "../session.js";
import { when } from "../format.js";

const NONE = {
  buyer: ["Updates on your orders and payments appear here.", "/", "See what there is"],
  seller: ["New orders and decisions about your shop appear here.", "/sell", "Your shop"],
  admin: ["Orders, new shops and refused products appear here.", "/admin", "Admin"],
};

function row(one) {
  const seen = () => one.read || markRead(`read-notification/${one.id}`).catch(() => {});
  const node = el("li", { class: one.read ? "note" : "note unread" });
  const status = el("span", {});
  const done = () => {
    const now = row({ ...one, read: true });
    node.replaceWith(now);
    now.querySelector("[tabindex], a")?.focus();
    announce("Read");
  };
  node.append(
    el("p", { class: "line" }, one.link ? el("a", { href: one.link, onclick: seen }, one.title) : el("strong", { tabindex: -1 }, one.title), !one.read && el("span", { class: "badge good" }, "New"), el("time", { class: "soft", datetime: one.created_at }, when(one.created_at))),
    el("p", { class: "text" }, one.message),
  );
  if (!one.read) node.append(el("p", { class: "row" }, action({ label: "Mark as read", class: "link", act: (key) => markRead(`read-notification/${one.id}`, key), done, status, "aria-label": `Mark “${one.title}” as read` }), status));
  return node;
}

async function show(main) {
  title("Notifications");
  const who = account();
  if (!who) return singleMessage(main, "Notifications", "Sign in first", "Your notifications appear here.", linkButton(`/sign-in?next=${encodeURIComponent("/notifications")}`, "Sign in"));
  const [text, href, name] = NONE[who.role];
  const place = el("div", { class: "notes" });
  const status = el("p", {});
  const list = async () => fill(place, await paged({ path: `${notificationsApi()}/notifications`, row, none: empty("Nothing yet", text, linkButton(href, name)) }));
  const readAll = async ({ read: count }) => {
    await list();
    all.hidden = true;
    main.querySelector("h1").focus();
    announce(`${count} marked as read`);
  };
  const all = action({ label: "Mark all as read", act: (key) => markRead("read-all-notifications", key), done: readAll, status });
  await list();
  all.hidden = place.querySelector(".unread") === null;
  fill(main, el("div", { class: "hero notes" }, el("h1", { tabindex: -1 }, "Notifications"), all), status, place);
}

start(show);
