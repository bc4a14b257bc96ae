/** `/sign-in`: sign in or register; the query parameter `next` is the page to open afterwards. */

import { send } from "../api.js";
import { el, fill, localPath, title } from "../dom.js";
import { action, field, form } from "../form.js";
import { start } from "../layout.js";
import { storeAccount } from "../session.js";

const HOME = { buyer: "/", seller: "/sell", admin: "/admin" };
const ABILITIES = { buyer: "buys from any shop", seller: "has a shop and offers goods", admin: "reviews products and shops" };
const query = new URLSearchParams(location.search);

function enter(reply) {
  storeAccount(reply);
  const { role } = reply.user;
  const meant = query.get("as") ?? role;
  location.assign(meant === role && query.get("next") ? localPath(query.get("next"), HOME[role]) : HOME[role]);
}

const logIn = (who) => send("POST", "/auth/api/login", { email: who.email.trim(), password: who.password });

function demoLogins() {
  const logins = JSON.parse(document.body.dataset.demo ?? "[]");
  if (logins.length === 0) return null;
  const status = el("p", {});
  const wanted = query.get("as");
  const sorted = [...logins].sort((a, b) => Number(b.role === wanted) - Number(a.role === wanted));
  const buttons = sorted.map((who, index) =>
    el("li", {}, action({ label: [el("strong", {}, `Continue as ${who.name}`), el("span", {}, `${who.role} · ${ABILITIES[who.role]}`)], class: `demo${index === 0 ? " first" : ""}`, act: () => logIn(who), done: enter, status })),
  );
  return el("section", { class: "panel demos" }, el("h2", {}, "Just looking?"), el("p", { class: "soft" }, "This is a demo market. One click, no password."), el("ul", {}, buttons), status);
}

function roles(as) {
  const choice = (value, text) => el("label", { class: "choice" }, el("input", { type: "radio", name: "role", value, checked: (as === "seller") === (value === "seller") }), text);
  return el("fieldset", { class: "field" }, el("legend", {}, "I want to"), choice("buyer", "buy"), choice("seller", "sell"), el("p", { class: "wrong", hidden: true }));
}

start((main) => {
  title("Sign in");
  const as = query.get("as");
  fill(
    main,
    el("h1", {}, "Sign in"),
    demoLogins(),
    el(
      "div",
      { class: "halves" },
      el(
        "section",
        { class: "panel" },
        el("h2", {}, "I have an account"),
        form({
          fields: [
            field({ name: "email", label: "E-mail", type: "email", autocomplete: "username", maxlength: 254 }),
            field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", maxlength: 200 }),
          ],
          button: "Sign in",
          act: logIn,
          done: enter,
        }),
      ),
      el(
        "section",
        { class: "panel" },
        el("h2", {}, "I am new here"),
        form({
          fields: [
            field({ name: "name", label: "Name", autocomplete: "name", maxlength: 200 }),
            field({ name: "email", label: "E-mail", type: "email", autocomplete: "email", maxlength: 254 }),
            field({ name: "password", label: "Password", type: "password", autocomplete: "new-password", minlength: 8, maxlength: 200, hint: "At least 8 characters." }),
            roles(as),
          ],
          button: "Create the account",
          read: (values) => ({ ...values, email: values.email.trim() }),
          act: (body) => send("POST", "/auth/api/register", body),
          done: enter,
        }),
      ),
    ),
  );
});
