/** `/sell`: a seller's shop: open it, offer and change products, see orders. */

import { get, orNull, send } from "../api.js";
import { announce, el, fill, title } from "../dom.js";
import { field, FieldError, form } from "../form.js";
import { empty, linkButton, paged, requireRole, start } from "../layout.js";
import { badge, orderRow, picture } from "../product_views.js";
import { money, parseAmount, plainAmount, reasonsOf } from "../format.js";

const STANDING = {
  pending: "An admin reviews your shop before it opens. You can already offer products; buyers see them once the shop is approved.",
  rejected: "An admin has refused this shop, so it cannot sell. Your notifications have the reason. Change what is needed, and apply again.",
  suspended: "This shop is suspended, so it cannot sell.",
};

async function show(main) {
  title("Your shop");
  if (!requireRole(main, "seller", "Sell on NextBuy", "A seller's account has a shop of its own. Sign in with one, or make one: it takes a minute.")) return;
  const mine = await orNull(get("/seller/api/my-shop"));
  if (!mine) return opening(main);
  const products = el("div", {});
  const list = async () => fill(products, await paged({ path: "/product/api/get-shop-products", row, none: empty("No products yet", "Offer your first product with the form on this page.") }));
  await list();
  const orders = await paged({ path: "/order/api/seller-orders", row: (order) => orderRow(order), none: empty("No orders yet", "Paid orders appear here.") });
  const { shop, seller_status: standing } = mine;
  const offers = standing === "approved" || standing === "pending";
  fill(
    main,
    el("h1", {}, shop.name, " ", badge(standing)),
    STANDING[standing] && el("p", { class: `notice ${standing === "pending" ? "" : "bad"}`, role: "status" }, STANDING[standing]),
    shop.bio && el("p", { class: "soft" }, shop.bio),
    el("p", { class: "row" }, linkButton("/figures", "Figures of your shop", "quiet"), offers && el("a", { class: "jump", href: "#offer" }, "Offer a product")),
    el("div", { class: "desk" }, el("section", {}, el("h2", {}, "Your products"), products), el("div", {}, offers && offering(shop, list), standing === "rejected" && applying(main, shop, "Apply again"), el("section", {}, el("h2", {}, "Orders"), orders))),
  );
}

function opening(main) {
  fill(
    main,
    el("h1", {}, "Open your shop"),
    el("p", { class: "lead" }, "Tell buyers who you are. An admin reviews it before it opens."),
    el("section", { class: "panel narrow" }, application(main, {}, "Open the shop")),
  );
}

/** The form of a rejected seller, with the texts of the refused shop. */
function applying(main, shop, button) {
  return el("section", { class: "panel", id: "apply" }, el("h2", {}, button), application(main, shop, button));
}

function application(main, shop, button) {
  return form({
    fields: [
      field({ name: "name", label: "Name of the shop", minlength: 2, maxlength: 100, autocomplete: "organization", value: shop.name }),
      field({ name: "category", label: "What you sell", hint: "In a word or two, such as “ceramics” or “garden”.", maxlength: 60, value: shop.category }),
      field({ name: "bio", label: "About the shop", tag: "textarea", rows: 4, maxlength: 2000, hint: "Two sentences are enough.", value: shop.bio }),
    ],
    button,
    act: (body, key) => send("POST", "/seller/api/create-shop", body, key),
    done: async () => {
      await show(main);
      announce("Your shop waits for approval.");
    },
  });
}

const price = (text) => {
  const amount = parseAmount(text);
  if (!amount) throw new FieldError("price", "Write a price such as 28.00.");
  return { amount, currency: "USD" };
};
const tags = (text) => text.split(",").map((tag) => tag.trim()).filter(Boolean);
const priceField = (own = {}) => field({ name: "price", label: "Price in dollars", inputmode: "decimal", maxlength: 15, placeholder: "28.00", autocomplete: "off", ...own });
const stockField = (own = {}) => field({ name: "stock", label: "Units in stock", type: "number", min: 0, max: 1_000_000, inputmode: "numeric", ...own });

function offering(shop, reload) {
  const status = el("div", { role: "status" });
  return el(
    "section",
    { class: "panel", id: "offer" },
    el("h2", {}, "Offer a product"),
    form({
      fields: [
        field({ name: "title", label: "Title", maxlength: 200, autocomplete: "off" }),
        field({ name: "description", label: "Description", tag: "textarea", rows: 4, maxlength: 10_000, hint: "What a buyer gets, in a sentence or two." }),
        field({ name: "category", label: "Category", value: shop.category, maxlength: 60 }),
        el("div", { class: "pair" }, priceField(), stockField({ value: 1 })),
        field({ name: "tags", label: "Tags", optional: true, maxlength: 300, hint: "Words to be found by, with commas between.", autocomplete: "off" }),
      ],
      button: "Offer it",
      read: (values) => ({ ...values, price: price(values.price), stock: Number(values.stock), tags: tags(values.tags) }),
      act: (body, key) => send("POST", "/product/api/create-product", body, key),
      done: async ({ product }, node) => {
        node.reset();
        fill(status, verdict(product));
        await reload();
      },
    }),
    status,
  );
}

const VERDICTS = { active: "is for sale.", pending: "waits for review by an admin.", rejected: "was refused." };

function verdict(product) {
  const reasons = product.status === "active" ? [] : reasonsOf(product.moderation);
  return el("div", { class: `notice ${product.status === "rejected" ? "bad" : ""}` }, el("p", {}, el("strong", {}, product.title), ` ${VERDICTS[product.status]}`), why(reasons));
}

const why = (reasons) => reasons.length > 0 && el("ul", { class: "why" }, reasons.map((reason) => el("li", {}, reason)));

/** A sentence about the units that unpaid checkouts hold. */
const reserved = (units) => `${units} more are reserved in unpaid checkouts. They return to your stock if they are not paid.`;

function row(product) {
  const frame = el("div", { class: "frame" });
  const what = el("div", { class: "what" });
  const describe = (now, editor) => {
    fill(frame, picture(now));
    fill(
      what,
      el("a", { href: `/product/${now.slug}` }, now.title),
      el("p", { class: "soft" }, `${money(now.price)} · ${now.stock} in stock`),
      now.held > 0 && el("p", { class: "soft" }, reserved(now.held)),
      el("p", {}, badge(now.status)),
      now.status !== "active" && why(reasonsOf(now.moderation)),
      editor,
    );
  };
  const draw = (now) => describe(now, editing(now, describe, draw));
  draw(product);
  return el("li", { class: "own" }, frame, what);
}

/** The values of a product as its form shows them. */
const entries = (product) => ({ title: product.title, description: product.description, price: plainAmount(product.price), stock: String(product.stock) });

/** A form that changes a product; `describe(now, editor)` shows another version around it, `changed(after)` the saved one. */
function editing(product, describe, changed) {
  const details = el("details", {}, el("summary", {}, "Change"));
  let base = product;
  const save = async (body, key) => {
    if (Object.keys(body).length === 0) return { product: base, held: base.held };
    try {
      return await send("PUT", `/product/api/update-product/${base.id}`, body, key, base.etag);
    } catch (problem) {
      if (problem.slug === "stale") await rebase(problem);
      throw problem;
    }
  };
  /** Continue with the current version: entries that were not edited follow it, the others stay. */
  const rebase = async (problem) => {
    const { product: now } = await get(`/product/api/get-product/${base.id}`);
    for (const [name, value] of Object.entries(entries(now))) {
      const control = node.elements.namedItem(name);
      if (control.value === unedited[name]) control.value = value;
      // The control may write line breaks and numbers in another way.
      unedited[name] = Object.assign(control.cloneNode(), { value }).value;
    }
    base = now;
    describe(now, details);
    problem.errors.unshift({ field: "", message: "This product has changed since you opened it. Nothing is saved yet: check the fields, then save again." });
  };
  const node = form({
    fields: [
      field({ name: "title", label: "Title", value: product.title, maxlength: 200 }),
      field({ name: "description", label: "Description", tag: "textarea", rows: 4, maxlength: 10_000, value: product.description }),
      el("div", { class: "pair" }, priceField({ value: plainAmount(product.price) }), stockField({ value: product.stock })),
    ],
    button: "Save",
    read: (values) => {
      const after = { title: values.title, description: values.description, price: price(values.price), stock: Number(values.stock) };
      const same = (name) => JSON.stringify(after[name]) === JSON.stringify(name === "price" ? { amount: base.price.amount, currency: base.price.currency } : base[name]);
      return Object.fromEntries(Object.entries(after).filter(([name]) => !same(name)));
    },
    act: save,
    done: ({ product: after, held }) => {
      const item = details.closest("li");
      changed({ ...after, held });
      item.querySelector("summary").focus();
      announce(`Saved. ${after.title} ${VERDICTS[after.status]} ${held > 0 ? reserved(held) : ""}`);
    },
  });
  const unedited = Object.fromEntries(Object.keys(entries(product)).map((name) => [name, node.elements.namedItem(name).value]));
  details.append(node);
  return details;
}

start(show);
