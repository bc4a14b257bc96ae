/** Fields, forms and buttons. They show an error beside its field, and send once even if pressed twice. */

import { attempts } from "./api.js";
import { el, fill } from "./dom.js";

let fieldCount = 0;

/** A labelled field. `tag` may be "textarea" or "select" (with `options`); other properties are the control's own. */
export function field({ name, label, hint, tag = "input", options = [], optional = false, ...own }) {
  const id = `f${++fieldCount}-${name.replaceAll(".", "-")}`;
  const choices = options.map(([value, text]) => el("option", { value, selected: value === own.value }, text));
  const describedBy = hint ? `${id}-hint ${id}-error` : `${id}-error`;
  const control = el(tag, { id, name, required: !optional, "aria-describedby": describedBy, ...own }, choices);
  if (tag === "textarea" && own.value) control.value = own.value;
  return el(
    "div",
    { class: "field" },
    el("label", { for: id }, label, optional && el("span", { class: "soft" }, " (optional)")),
    hint && el("p", { class: "hint", id: `${id}-hint` }, hint),
    control,
    el("p", { class: "wrong", id: `${id}-error`, hidden: true }),
  );
}

/** An invalid entry, found before the request is sent. */
export class FieldError extends Error {
  constructor(field, message) {
    super(message);
    this.errors = [{ field, message }];
  }
}

/**
 * A form. `read` turns its values into the request body (and may throw `FieldError`), `act(body, key)` sends it, `done(reply)` runs after it.
 */
export function form({ fields, button, read = (values) => values, act, done, ...own }) {
  const keys = attempts();
  const message = el("p", { class: "wrong", role: "alert", hidden: true });
  const submit = el("button", { class: "main", type: "submit" }, button);
  const node = el("form", { class: "form", ...own }, fields, message, el("div", { class: "row" }, submit));
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!lock(submit)) return;
    clear(node, message);
    try {
      const body = read(Object.fromEntries(new FormData(node)));
      const reply = await act(body, keys.key(body));
      keys.answered();
      await done(reply, node);
    } catch (error) {
      if (!error.transient) keys.answered();
      show(node, message, error);
    } finally {
      unlock(submit);
    }
  });
  return node;
}

function clear(node, message) {
  fill(message).hidden = true;
  for (const wrong of node.querySelectorAll(".field .wrong")) fill(wrong).hidden = true;
  for (const control of node.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

function show(node, message, error) {
  const unplaced = [];
  for (const one of error.errors ?? []) {
    const control = controlOf(node, one.field);
    if (!control) {
      unplaced.push(one.message);
      continue;
    }
    control.setAttribute("aria-invalid", "true");
    const place = control.closest(".field").querySelector(".wrong");
    fill(place, one.message).hidden = false;
  }
  const first = node.querySelector("[aria-invalid]");
  if (first) first.focus();
  if (!first || unplaced.length) fill(message, unplaced.length ? unplaced.join(" ") : error.message).hidden = false;
  if (!("errors" in error)) console.error(error);
}

function controlOf(node, name) {
  const exact = node.elements.namedItem(name);
  return exact ?? node.elements.namedItem(name.split(/[.[]/)[0]);
}

/** A button that calls `act(key)`; an error appears in the element `status`. */
export function action({ label, act, done, status, ...own }) {
  const keys = attempts();
  const node = el("button", { type: "button", ...own }, label);
  node.addEventListener("click", async () => {
    if (!lock(node)) return;
    if (status) fill(status);
    try {
      const reply = await act(keys.key(null));
      keys.answered();
      await done?.(reply);
    } catch (error) {
      if (!error.transient) keys.answered();
      if (!status) throw error;
      fill(status, el("span", { class: "wrong", role: "alert" }, error.message));
    } finally {
      unlock(node);
    }
  });
  return node;
}

function lock(button) {
  if (button.getAttribute("aria-busy") === "true") return false;
  button.setAttribute("aria-busy", "true");
  return true;
}

function unlock(button) {
  button.removeAttribute("aria-busy");
}
