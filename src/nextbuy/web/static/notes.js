/** What the signed-in account was told: where it is kept, and how much of it is unread. */

import { get, send } from "./api.js";
import { account } from "./session.js";

const EVERY = 30_000;
const admin = () => account()?.role === "admin";

/** Where this account's notifications are. */
export const notes = () => (admin() ? "/admin/api" : "/kafka/api");

/** Mark one as read, or all; the bell counts anew. */
export async function read(what, key) {
  const answer = await send("POST", `${notes()}/${what}`, undefined, key);
  dispatchEvent(new Event("notes-read"));
  return answer;
}

/** Tell `show` how many are unread: at once, when some were read, and every half a minute while the page is looked at. */
export function watchUnread(show) {
  let asked = 0;
  const look = async () => {
    if (!account() || document.hidden) return;
    asked = Date.now();
    const quiet = { quiet: true };
    const told = admin() ? get("/admin/api/unread-notifications", {}, quiet) : get("/kafka/api/notifications", { limit: 1 }, quiet);
    await told.then(({ unread }) => show(unread), () => {});
  };
  const due = () => Date.now() - asked >= EVERY && look();
  setInterval(due, EVERY / 6);
  addEventListener("visibilitychange", due);
  addEventListener("notes-read", look);
  return look();
}
