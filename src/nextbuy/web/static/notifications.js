/** Notifications of the signed-in account: the API that has them, and the number of unread ones. */

import { get, send } from "./api.js";
import { account } from "./session.js";

const POLL_INTERVAL = 30_000;
const admin = () => account()?.role === "admin";

/** Path prefix of the API with this account's notifications. */
export const notificationsApi = () => (admin() ? "/admin/api" : "/notification/api");

/** Mark notifications as read: `path` is `read-notification/{id}` or `read-all-notifications`. */
export async function markRead(path, key) {
  const reply = await send("POST", `${notificationsApi()}/${path}`, undefined, key);
  dispatchEvent(new Event("notifications-read"));
  return reply;
}

/** Call `show` with the number of unread notifications: now, after a change, and regularly while the page is visible. */
export function watchUnread(show) {
  let polledAt = 0;
  const poll = async () => {
    if (!account() || document.hidden) return;
    polledAt = Date.now();
    const quiet = { quiet: true };
    const count = admin() ? get("/admin/api/unread-notifications", {}, quiet) : get("/notification/api/notifications", { limit: 1 }, quiet);
    await count.then(({ unread }) => show(unread), () => {});
  };
  const due = () => Date.now() - polledAt >= POLL_INTERVAL && poll();
  setInterval(due, POLL_INTERVAL / 6);
  addEventListener("visibilitychange", due);
  addEventListener("notifications-read", poll);
  return poll();
}
