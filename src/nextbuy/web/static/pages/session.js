/** `/session/{id}`: back from the payment page; waits for what became of the payment. */

import { found, get } from "../api.js";
import { endPaying, paying } from "../basket.js";
import { announce, el, fill, title } from "../dom.js";
import { alone, linkButton, needed, notice, start } from "../frame.js";
import { badge, bought, shopName } from "../goods.js";
import { money } from "../words.js";

const PATIENCE = 90_000;
const id = location.pathname.split("/")[2];

const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

/** Ask until the session has come to an end, less often as time goes by. */
async function outcome() {
  const until = Date.now() + PATIENCE;
  for (let wait = 300; ; wait = Math.min(wait * 1.4, 3000)) {
    const session = await get(`/order/api/payment-session/${id}`).catch((problem) => {
      if (problem.passing && Date.now() < until) return { status: "open" };
      throw problem;
    });
    if (session.status !== "open" || Date.now() > until) return session;
    await pause(wait);
  }
}

async function show(main) {
  title("Payment");
  if (!needed(main, "buyer", "Payment", "Sign in with the account that you paid with, to see what became of the payment.")) return;
  const mine = paying()?.session_id === id ? paying() : null;
  fill(
    main,
    el("h1", {}, "Waiting for the payment"),
    el("div", { class: "empty" }, el("p", { class: "wheel", role: "status" }, "This page goes on by itself as soon as the payment is confirmed."), mine && el("p", { class: "row" }, linkButton(mine.payment_url, "Back to the payment page", "quiet"))),
  );
  const session = await found(outcome());
  if (!session) return alone(main, "Payment", "There is no such payment", "It belongs to another account, or the link is wrong.", linkButton("/orders", "Your orders"));
  if (session.status === "open") {
    return alone(main, "Not paid yet", "No payment has come", "The goods are held for you until the payment page closes.", mine && linkButton(mine.payment_url, "Go to the payment page"), el("button", { type: "button", onclick: () => show(main) }, "Look again"));
  }
  if (mine) endPaying({ bought: session.status === "paid" });
  if (session.status === "paid") return thanks(main, session);
  const [heading, text] = ENDS[session.status] ?? ["The payment has ended", "Nothing was bought."];
  announce(heading);
  title(heading);
  return alone(main, heading, "Nothing was bought", text, linkButton("/basket", "Back to the basket"));
}

const ENDS = {
  failed: ["The payment was declined", "No money was taken, and the basket is as it was. Try again, perhaps with another card."],
  expired: ["The time to pay is over", "No money was taken, and what was held for you can be bought again. The basket is as it was."],
  refunded: ["The payment was returned", "The money came too late, and something had been sold meanwhile; you get all of it back."],
};

async function thanks(main, session) {
  title("Thank you");
  const parts = await Promise.all(session.order_ids.map((order) => get(`/order/api/order-details/${order}`).then((answer) => answer.order, (problem) => problem)));
  announce("Thank you, the payment is confirmed.");
  const several = parts.length > 1 ? ` It became ${parts.length} orders, one for each shop.` : "";
  return fill(
    main,
    el("h1", {}, "Thank you!"),
    el("p", { class: "lead" }, `Your payment of ${money(session.total)} is confirmed.${several}`),
    parts.map((order) => (order.id ? part(order) : notice(order))),
    el("p", { class: "row" }, linkButton("/", "Go on shopping"), linkButton("/orders", "Your orders", "quiet")),
  );
}

const part = (order) =>
  el("section", { class: "panel" }, el("h2", {}, el("a", { href: `/order/${order.id}` }, `Order ${order.number}`), " ", badge(order.status)), shopName(order.shop_id), bought(order.lines), el("p", { class: "total" }, "Total ", el("strong", {}, money(order.total))));

start(show);
