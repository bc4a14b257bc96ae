/** `/product/{slug}`: a product, with a form that adds it to the basket. */

import { record } from "../activity.js";
import { get, orNull } from "../api.js";
import { MAX_UNITS, quantityOf, set } from "../basket.js";
import { announce, el, fill, title } from "../dom.js";
import { crumbs, linkButton, singleMessage, start } from "../layout.js";
import { badge, picture, scarcity, shop } from "../product_views.js";
import { account } from "../session.js";
import { capital, money } from "../format.js";

function buying(product) {
  if (product.status !== "active") return null;
  if (product.stock === 0) {
    return el("div", { class: "buy" }, el("p", {}, el("span", { class: "badge bad" }, "Sold out")), el("p", { class: "soft" }, "Units in unpaid checkouts may become available again."));
  }
  const max = Math.min(product.stock, MAX_UNITS);
  const status = el("p", { class: "stock-status" });
  const amount = el("input", { id: "amount", type: "number", min: 1, max, value: 1, required: true, inputmode: "numeric" });
  const draw = () => {
    const held = quantityOf(product.id);
    fill(status, held ? [el("span", { class: "good" }, `${held} in your basket. `), el("a", { href: "/basket" }, "Go to the basket")] : scarcity(product) || `${product.stock} in stock`);
  };
  const onsubmit = (event) => {
    event.preventDefault();
    const wanted = quantityOf(product.id) + Number(amount.value);
    set(product.id, Math.min(wanted, max));
    record(product.id, "added-to-basket");
    draw();
    if (wanted > max) status.prepend(el("span", {}, `There are only ${max}: `));
    announce(status.textContent);
  };
  draw();
  const other = account() && account().role !== "buyer";
  return el(
    "form",
    { class: "buy", onsubmit },
    el("div", { class: "row" }, el("label", { for: "amount", class: "unseen" }, "How many"), amount, el("button", { class: "main", type: "submit" }, "Add to basket")),
    status,
    other && el("p", { class: "soft" }, "Only buyers can check out; at the basket you can sign in as one."),
  );
}

/** The number of units sold, if any; its line is reserved until it is loaded. */
function sold(product) {
  const node = el("p", { class: "soft sold" }, "\u00a0");
  get(`/product/api/get-activity/${product.id}`).then(({ sold }) => sold && (node.textContent = `${sold} sold`), () => null);
  return node;
}

start(async (main) => {
  const key = location.pathname.split("/")[2];
  fill(main, el("div", { class: "product blank", "aria-hidden": "true" }, el("div", { class: "frame" }), el("div", {}, el("p", { class: "bar" }), el("p", { class: "bar short" }))));
  const product = (await orNull(get(`/product/api/get-product/${key}`)))?.product;
  if (!product) {
    title("Not for sale");
    return singleMessage(main, "Not for sale", "This product is not for sale", "It may have been withdrawn, or the link is wrong.", linkButton("/", "See what there is"));
  }
  title(product.title);
  const seller = await shop(product.shop_id);
  if (product.status === "active") record(product.id, "viewed");
  return fill(
    main,
    crumbs(["/", "All products"], [`/?category=${encodeURIComponent(product.category)}`, capital(product.category)]),
    el(
      "article",
      { class: "product" },
      el("div", { class: "frame" }, picture(product, { loading: "eager", fetchpriority: "high" })),
      el(
        "div",
        { class: "about" },
        product.status !== "active" && el("p", {}, badge(product.status), " Only you and the admins see this page."),
        el("h1", {}, product.title),
        el("p", { class: "soft" }, "Sold by ", el("strong", {}, seller?.name ?? "an independent shop")),
        el("p", { class: "price big" }, money(product.price)),
        product.status === "active" && sold(product),
        buying(product),
        el("p", { class: "text" }, product.description),
        product.tags.length > 0 && el("ul", { class: "tags", "aria-label": "Tags" }, product.tags.map((tag) => el("li", {}, el("a", { class: "chip", href: `/?q=${encodeURIComponent(tag)}` }, tag)))),
        seller?.bio && el("aside", { class: "panel" }, el("h2", {}, `About ${seller.name}`), el("p", {}, seller.bio)),
      ),
    ),
  );
});
