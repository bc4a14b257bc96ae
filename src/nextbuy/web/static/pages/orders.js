/** `/orders`: what this buyer has bought, the latest first. */

import { el, fill, title } from "../dom.js";
import { empty, linkButton, needed, paged, start } from "../frame.js";
import { orderRow, shopName } from "../goods.js";

start(async (main) => {
  title("Your orders");
  if (!needed(main, "buyer", "Your orders", "Sign in as a buyer to see your orders.")) return;
  const none = empty("No orders yet", "What you buy shows up here.", linkButton("/", "See what there is"));
  const row = (order) => orderRow(order, shopName(order.shop_id));
  fill(main, el("h1", {}, "Your orders"), await paged({ path: "/order/api/user-orders", row, none }));
});
