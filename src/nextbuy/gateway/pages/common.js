"use strict";
// What the pages that show a document share: they read it once, and find, open and filter its entries.
const page = (() => {
  const main = document.getElementById("content");
  const contents = document.getElementById("contents");
  const state = document.getElementById("state");
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  let read = {};

  // Everything is made with textContent: nothing of the document or of an answer is ever read as HTML.
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  // Text in which `words` are code.
  const prose = (text) => text && make("span", {}, ...text.split("`").map((part, at) => (at % 2 ? make("code", {}, part) : part)));

  const resolve = (schema) => (schema && schema.$ref ? schema.$ref.slice(2).split("/").reduce((part, name) => part[name], read) : schema) || {};
  const named = (schema) => (schema.$ref ? schema.$ref.split("/").pop() : "");

  const kind = (given) => {
    const schema = resolve(given);
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (given.$ref) return named(given);
    const choices = schema.anyOf || schema.oneOf;
    if (choices) return choices.map(kind).join(" | ");
    if (schema.type === "array") return `list of ${kind(schema.items || {})}`;
    const bounds = [
      [schema.minimum, "≥"], [schema.maximum, "≤"], [schema.minLength, "length ≥"], [schema.maxLength, "length ≤"],
    ].filter(([value]) => value !== undefined).map(([value, sign]) => `${sign} ${value}`);
    return [schema.format || schema.type || "anything", ...bounds].join(", ");
  };

  // On a phone each cell stands on a line of its own, below the first, and says by itself what it is.
  const table = (heads, rows) => {
    for (const line of rows) [...line.cells].forEach((cell, at) => { cell.dataset.head = at && heads[at] ? `${heads[at]}: ` : ""; });
    return make("div", { class: "scroll", tabindex: "0" }, make("table", {},
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, ...rows)));
  };
  const row = (...cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell)));
  const json = (value) => make("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));

  // One foldable entry, filled when it is first opened; `words` is what the search looks in.
  const entry = (id, summary, words, fill) => {
    const details = make("details", { id }, make("summary", {}, ...summary));
    const inside = make("div", { class: "inside" });
    details.append(inside);
    details.addEventListener("toggle", () => { if (details.open && !inside.childNodes.length) fill(inside); });
    details.dataset.words = words.toLowerCase();
    return details;
  };

  // A heading with its entries, in the page and in the contents, where `short` names an entry.
  const section = (name, entries, short) => {
    if (!entries.length) return;
    main.append(make("section", {}, make("h2", { id: name }, name), ...entries));
    contents.append(make("h2", {}, make("a", { href: `#${name}` }, name)), ...entries.map((one) =>
      make("a", { href: `#${one.id}` }, short(one))));
  };

  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    // The target of the link is shown, even if a search had hidden it.
    if (target.closest("[hidden]")) {
      find.value = "";
      filter();
    }
    if (target.tagName === "DETAILS") target.open = true;
    target.scrollIntoView();
  };

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const one of main.querySelectorAll("details[data-words]")) {
      one.hidden = !words.every((word) => one.dataset.words.includes(word));
      shown += !one.hidden;
    }
    for (const part of main.querySelectorAll("section")) {
      const entries = [...part.querySelectorAll("details[data-words]")];
      part.hidden = words.length > 0 && entries.every((one) => one.hidden);
    }
    found.textContent = !words.length ? "" : shown ? `${shown} found` : "Nothing here has these words.";
  };

  document.getElementById("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const first = main.querySelector("details[data-words]:not([hidden])");
    if (first) { first.open = true; first.querySelector("summary").focus(); }
  });
  find.addEventListener("input", filter);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) {
      event.preventDefault();
      find.focus();
    }
  });
  addEventListener("hashchange", open);
  // A link to where the address already points changes nothing, and is followed all the same.
  document.addEventListener("click", (event) => event.target.closest("a")?.getAttribute("href") === location.hash && open());

  // Reads a document and lets `show` fill the page with it.
  const load = (address, show) => fetch(address).then((answer) => answer.json()).then((document_) => {
    read = document_;
    document.getElementById("version").textContent = read.info.version;
    main.replaceChildren();
    show(read);
    filter();
    open();
  }).catch((error) => {
    state.textContent = `The document cannot be read: ${error.message}`;
    main.replaceChildren(state);
  });

  return { main, contents, make, prose, resolve, kind, table, row, json, entry, section, load };
})();
