/** Products and shops as the pages show them. */

import { get } from "./api.js";
import { el } from "./dom.js";
import { money, stateOf, when } from "./words.js";

const shops = new Map();

/** A shop's public face, or null where it cannot be had; each is asked for once a page. */
export function shop(id) {
  if (!shops.has(id)) shops.set(id, get(`/seller/api/get-shop/${id}`).then((answer) => answer.shop, () => null));
  return shops.get(id);
}

/** The name of a shop, as soon as it is known; its line is kept free until then. */
export function shopName(id) {
  const node = el("span", { class: "shop-name" }, "\u00a0");
  shop(id).then((found) => found && (node.textContent = found.name));
  return node;
}

/** A product's picture; decorative, since its title always stands beside it. */
export const picture = (product, own = {}) => el("img", { src: product.picture, width: 400, height: 400, alt: "", loading: "lazy", decoding: "async", ...own });

/** What can still be bought of it, in words; "" where there is plenty. */
export function scarcity(product) {
  if (product.stock === 0) return "Sold out";
  return product.stock <= 5 ? `Only ${product.stock} left` : "";
}

/** A product in a grid. */
export function card(product) {
  const scarce = scarcity(product);
  return el(
    "li",
    { class: `card${product.stock ? "" : " gone"}` },
    el("div", { class: "frame" }, picture(product), scarce && el("span", { class: product.stock ? "badge wait" : "badge bad" }, scarce)),
    el("h2", {}, el("a", { href: `/product/${product.slug}` }, product.title)),
    shopName(product.shop_id),
    el("p", { class: "price" }, money(product.price)),
  );
}

/** The place of a card that is on its way. */
export const blank = () => el("li", { class: "card blank", "aria-hidden": "true" }, el("div", { class: "frame" }), el("h2", {}, el("span", { class: "bar" })), el("span", { class: "shop-name" }, "\u00a0"), el("p", { class: "price" }, "\u00a0"));

/** A state as a badge. */
export function badge(status) {
  const [text, look] = stateOf(status);
  return el("span", { class: `badge ${look}` }, text);
}

/** An order in a list, with its shop where that is not plain. */
export const orderRow = (order, from) =>
  el("li", { class: "line order" }, el("a", { href: `/order/${order.id}` }, order.number), from, el("time", { class: "soft", datetime: order.created_at }, when(order.created_at)), badge(order.status), el("strong", {}, money(order.total)));

/** Lines of an order or a session: what, how many, for how much. */
export const bought = (lines) =>
  el(
    "ul",
    { class: "rows" },
    lines.map((line) =>
      el(
        "li",
        { class: "line" },
        el("a", { href: `/product/${line.product_id}` }, line.title),
        el("span", { class: "soft" }, `${line.quantity} × ${money(line.unit_price)}`),
        el("strong", {}, money({ ...line.unit_price, amount: line.unit_price.amount * line.quantity })),
      ),
    ),
  );
