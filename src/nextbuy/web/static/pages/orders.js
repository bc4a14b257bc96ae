/** `/orders`: what this buyer has bought, the latest first. */

import { el, fill, title } from "../dom.js";
import { empty, linkButton, needed, paged, start } from "../frame.js";
import { badge, shopName } from "../goods.js";
import { money, when } from "../words.js";

const row = (order) =>
  el("li", { class: "line order" }, el("a", { href: `/order/${order.id}` }, order.number), shopName(order.shop_id), el("time", { class: "soft", datetime: order.created_at }, when(order.created_at)), badge(order.status), el("strong", {}, money(order.total)));

start(async (main) => {
  title("Your orders");
  if (!needed(main, "buyer", "Your orders", "Sign in as a buyer to see your orders.")) return;
  const none = empty("No orders yet", "What you buy shows up here.", linkButton("/", "See what there is"));
  fill(main, el("h1", {}, "Your orders"), await paged({ path: "/order/api/user-orders", row, none }));
});
