/** `/session/{id}`: waits for the outcome of a payment, after the payment page. */

import { get, orNull } from "../api.js";
import { checkoutInProgress, endCheckout } from "../basket.js";
import { announce, el, fill, title } from "../dom.js";
import { linkButton, notice, requireRole, singleMessage, start } from "../layout.js";
import { badge, bought, shopName } from "../product_views.js";
import { money } from "../format.js";

const TIMEOUT = 90_000;
const id = location.pathname.split("/")[2];

const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

/** Poll until the checkout has ended, with growing pauses. */
async function outcome() {
  const until = Date.now() + TIMEOUT;
  for (let wait = 300; ; wait = Math.min(wait * 1.4, 3000)) {
    const session = await get(`/order/api/payment-session/${id}`).catch((problem) => {
      if (problem.transient && Date.now() < until) return { status: "open" };
      throw problem;
    });
    if (session.status !== "open" || Date.now() > until) return session;
    await pause(wait);
  }
}

async function show(main) {
  title("Payment");
  if (!requireRole(main, "buyer", "Payment", "Sign in with the account that you paid with, to see its outcome.")) return;
  const mine = checkoutInProgress()?.session_id === id ? checkoutInProgress() : null;
  fill(
    main,
    el("h1", {}, "Waiting for the payment"),
    el("div", { class: "empty" }, el("p", { class: "wheel", role: "status" }, "This page updates as soon as the payment is confirmed."), mine && el("p", { class: "row" }, linkButton(mine.payment_url, "Back to the payment page", "quiet"))),
  );
  const session = await orNull(outcome());
  if (!session) return singleMessage(main, "Payment", "Payment not found", "It belongs to another account, or the link is wrong.", linkButton("/orders", "Your orders"));
  if (session.status === "open") {
    return singleMessage(main, "Not paid yet", "No payment yet", "Your items are reserved until the payment page expires.", mine && linkButton(mine.payment_url, "Go to the payment page"), el("button", { type: "button", onclick: () => show(main) }, "Check again"));
  }
  if (mine) endCheckout({ bought: session.status === "paid" });
  if (session.status === "paid") return thanks(main, session);
  if (session.status === "refunded" && session.order_ids.length) {
    title("The payment was refunded");
    return singleMessage(main, "The payment was refunded", "Your order was refunded", "You get the full amount back, and nothing is shipped.", linkButton("/orders", "Your orders"));
  }
  const [heading, text] = ENDS[session.status] ?? ["The payment has ended", "Nothing was bought."];
  announce(heading);
  title(heading);
  return singleMessage(main, heading, "Nothing was bought", text, linkButton("/basket", "Back to the basket"));
}

const ENDS = {
  failed: ["The payment was declined", "No money was taken, and the basket is unchanged. Try again, perhaps with another card."],
  expired: ["The time to pay is over", "No money was taken, and your items are no longer reserved. The basket is unchanged."],
  refunded: ["The payment was refunded", "Your order could not be completed. You get the full amount back."],
};

async function thanks(main, session) {
  title("Thank you");
  const parts = await Promise.all(session.order_ids.map((order) => get(`/order/api/order-details/${order}`).then((answer) => answer.order, (problem) => problem)));
  announce("Thank you, the payment is confirmed.");
  const several = parts.length > 1 ? ` It was split into ${parts.length} orders, one per shop.` : "";
  return fill(
    main,
    el("h1", {}, "Thank you!"),
    el("p", { class: "lead" }, `Your payment of ${money(session.total)} is confirmed.${several}`),
    parts.map((order) => (order.id ? part(order) : notice(order))),
    el("p", { class: "row" }, linkButton("/", "Continue shopping"), linkButton("/orders", "Your orders", "quiet")),
  );
}

const part = (order) =>
  el("section", { class: "panel" }, el("h2", {}, el("a", { href: `/order/${order.id}` }, `Order ${order.number}`), " ", badge(order.status)), shopName(order.shop_id), bought(order.lines), el("p", { class: "total" }, "Total ", el("strong", {}, money(order.total))));

start(show);
