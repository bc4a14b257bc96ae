/** `/basket`: the basket with current prices and stock, and the checkout. */

import { attempts, get, orNull, send } from "../api.js";
import { checkoutInProgress, endCheckout, lines, MAX_LINES, MAX_UNITS, set, startCheckout } from "../basket.js";
import { announce, el, fill, title } from "../dom.js";
import { field, FieldError, form } from "../form.js";
import { linkButton, singleMessage, start } from "../layout.js";
import { picture, shopName } from "../product_views.js";
import { account } from "../session.js";
import { count, money } from "../format.js";

const keys = attempts();
const ADDRESS = [
  ["full_name", "Full name", "name"],
  ["line1", "Street and number", "address-line1"],
  ["postal_code", "Postal code", "postal-code"],
  ["city", "City", "address-level2"],
  ["country", "Country", "country-name"],
];

async function productOf({ product_id }) {
  return (await orNull(get(`/product/api/get-product/${encodeURIComponent(product_id)}`)))?.product ?? null;
}

async function show(main) {
  title("Basket");
  const wanted = lines();
  if (wanted.length === 0) {
    return singleMessage(main, "Basket", "Your basket is empty", "Put something in it, and it waits here for you.", linkButton("/", "See what there is"));
  }
  if (!main.querySelector(".checkout")) fill(main, el("h1", {}, "Basket"), el("div", { class: "checkout blank", "aria-hidden": "true" }, el("div", {}, wanted.map(() => el("p", { class: "bar tall" })))));
  const products = await Promise.all(wanted.map(productOf));
  const rows = wanted.map((line, index) => ({ ...line, product: products[index] }));
  return fill(main, el("h1", {}, "Basket"), content(main, rows));
}

function content(main, rows) {
  const sum = el("div", { class: "panel sum" });
  const redraw = () => {
    const left = rows.filter((row) => row.quantity > 0);
    if (left.length === 0) return show(main);
    fill(sum, summary(left));
    return undefined;
  };
  const list = el("ul", { class: "rows" }, rows.map((row) => rowOf(row, redraw)));
  redraw();
  return el("div", { class: "checkout" }, list, sum);
}

function problemWith({ product, quantity }) {
  if (!product || product.status !== "active") return "This is not for sale any more. Take it out to check out.";
  if (product.stock === 0) return "This is sold out. Take it out to check out.";
  return quantity > product.stock ? `There are only ${product.stock} left. Take fewer to check out.` : "";
}

function rowOf(row, redraw) {
  const { product } = row;
  const name = product?.title ?? "A product that is gone";
  const price = el("strong", {});
  const wrong = el("p", { class: "wrong" });
  const draw = () => {
    if (product) price.textContent = money({ ...product.price, amount: product.price.amount * row.quantity });
    wrong.textContent = problemWith(row);
    wrong.hidden = !wrong.textContent;
  };
  const change = (quantity) => {
    row.quantity = quantity;
    set(row.product_id, quantity);
    draw();
    redraw();
  };
  const remove = () => {
    const next = node.nextElementSibling ?? node.previousElementSibling;
    node.remove();
    change(0);
    announce(`${name} is out of the basket`);
    (next?.querySelector("button") ?? document.getElementById("main")).focus();
  };
  const amount = (event) => {
    const typed = Math.floor(Number(event.target.value));
    if (typed >= 1) change(Math.min(typed, MAX_UNITS));
    event.target.value = row.quantity;
  };
  const node = el(
    "li",
    { class: "held" },
    el("div", { class: "frame" }, product && picture(product)),
    el(
      "div",
      { class: "what" },
      product ? el("a", { href: `/product/${product.slug}` }, name) : el("span", {}, name),
      product && shopName(product.shop_id),
      wrong,
      el("button", { type: "button", class: "link", onclick: remove, "aria-label": `Take out ${name}` }, "Take out"),
    ),
    product && el("input", { type: "number", min: 1, max: Math.min(product.stock || 1, MAX_UNITS), value: row.quantity, "aria-label": `How many of ${name}`, onchange: amount }),
    price,
  );
  draw();
  return node;
}

function summary(rows) {
  const good = rows.filter((row) => !problemWith(row));
  const total = good.reduce((sum, row) => sum + row.product.price.amount * row.quantity, 0);
  const currency = good[0]?.product.price.currency ?? "USD";
  const shops = new Set(good.map((row) => row.product.shop_id)).size;
  const units = good.reduce((sum, row) => sum + row.quantity, 0);
  const blocked = rows.length > good.length || rows.length > MAX_LINES;
  return [
    el("h2", {}, "Summary"),
    el("p", { class: "soft" }, `${count(units, "item")} from ${count(shops, "shop")}`),
    el("p", { class: "total" }, "Total ", el("strong", {}, money({ amount: total, currency }))),
    blocked ? el("p", { class: "wrong" }, rows.length > MAX_LINES ? `A basket can have ${MAX_LINES} different products; take some out.` : "Something in the basket cannot be bought as it is; see the note beside it.") : payment(rows),
  ];
}

function payment(rows) {
  const who = account();
  if (!who) return [linkButton("/sign-in?as=buyer&next=/basket", "Sign in to check out"), el("p", { class: "soft" }, "The basket stays as it is.")];
  if (who.role !== "buyer") {
    return [el("p", {}, `You are signed in as ${who.name}, ${who.role === "admin" ? "an admin" : "a seller"}; only buyers can check out.`), linkButton("/sign-in?as=buyer&next=/basket", "Sign in as a buyer")];
  }
  const demo = document.body.dataset.demo && el("p", { class: "hint" }, "This is a demo: no money moves. Pay with the card 4242 4242 4242 4242.");
  const address = el(
    "details",
    { class: "address" },
    el("summary", {}, "Add a delivery address"),
    ADDRESS.map(([name, label, autocomplete]) => field({ name: `address.${name}`, label, autocomplete, maxlength: 200, optional: true })),
  );
  return form({
    fields: [address, demo],
    button: "Check out",
    read: (values) => ({ lines: rows.map(({ product_id, quantity }) => ({ product_id, quantity })), address: addressOf(values) }),
    act: checkOut,
    done: (session) => location.assign(paymentPage(session.payment_url)),
  });
}

function addressOf(values) {
  const given = ADDRESS.map(([name]) => [name, values[`address.${name}`].trim()]);
  if (given.every(([, text]) => text === "")) return undefined;
  for (const [name, text] of given) if (text === "") throw new FieldError(`address.${name}`, "Fill this in too, or leave the whole address out.");
  return Object.fromEntries(given);
}

/** Open a checkout, or continue the one that this tab has opened for the same basket. */
async function checkOut(request) {
  const before = checkoutInProgress();
  if (before && JSON.stringify(before.request) === JSON.stringify(request)) {
    const session = await get(`/order/api/payment-session/${before.session_id}`).catch(() => null);
    if (session?.status === "open") return before;
    endCheckout({ bought: session?.status === "paid" });
    keys.answered();
  }
  try {
    const session = await send("POST", "/order/api/create-payment-session", request, keys.key(request));
    keys.answered();
    startCheckout({ session_id: session.session_id, payment_url: session.payment_url, request });
    return session;
  } catch (problem) {
    if (!problem.transient) keys.answered();
    throw problem;
  }
}

/** The URL of the payment page; other schemes than HTTP are refused. */
function paymentPage(address) {
  const url = new URL(address, location.href);
  if (!/^https?:$/.test(url.protocol)) throw new Error("The payment page has an invalid URL.");
  return url.href;
}

start(async (main) => {
  await show(main);
  addEventListener("storage", (event) => event.key === "nextbuy.basket" && show(main));
  addEventListener("pageshow", (event) => event.persisted && show(main));
});
