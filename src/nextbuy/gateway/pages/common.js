"use strict";
// Shared by the pages of the API browser: each loads one document, and lists, filters and opens its entries.
globalThis.page = (() => {
  const main = document.getElementById("content");
  const contents = document.getElementById("contents");
  const state = document.getElementById("state");
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  let loaded = {};

  // Children are nodes or text, so nothing in a document or a response is parsed as HTML.
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  // A text in which parts in backticks are code.
  const prose = (text) =>
    text && make("span", {}, ...text.split("`").map((part, at) => (at % 2 ? make("code", {}, part) : part)));

  const resolve = (schema) =>
    (schema && schema.$ref ? schema.$ref.slice(2).split("/").reduce((part, name) => part[name], loaded) : schema) || {};
  const named = (schema) => (schema.$ref ? schema.$ref.split("/").pop() : "");

  const kind = (given) => {
    const schema = resolve(given);
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (given.$ref) return named(given);
    const choices = schema.anyOf || schema.oneOf;
    if (choices) return choices.map(kind).join(" | ");
    if (schema.type === "array") return `list of ${kind(schema.items || {})}`;
    const bounds = [
      [schema.minimum, "≥"],
      [schema.maximum, "≤"],
      [schema.minLength, "length ≥"],
      [schema.maxLength, "length ≤"],
    ].filter(([value]) => value !== undefined).map(([value, sign]) => `${sign} ${value}`);
    return [schema.format || schema.type || "anything", ...bounds].join(", ");
  };

  // On a narrow screen each cell is a line of its own, labelled with its column.
  const table = (heads, rows) => {
    for (const line of rows) {
      [...line.cells].forEach((cell, at) => {
        cell.dataset.head = at && heads[at] ? `${heads[at]}: ` : "";
      });
    }
    return make(
      "div",
      { class: "scroll", tabindex: "0" },
      make(
        "table",
        {},
        make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
        make("tbody", {}, ...rows),
      ),
    );
  };
  const row = (...cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell)));
  const json = (value) => make("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));

  // A foldable entry, filled when it is first opened; the search looks in `words`.
  const entry = (id, summary, words, fill) => {
    const details = make("details", { id }, make("summary", {}, ...summary));
    const inside = make("div", { class: "inside" });
    details.append(inside);
    details.addEventListener("toggle", () => {
      if (details.open && !inside.childNodes.length) fill(inside);
    });
    details.dataset.words = words.toLowerCase();
    return details;
  };

  // A heading with its entries, in the page and in the table of contents; `short` is the name of an entry there.
  const section = (name, entries, short) => {
    if (!entries.length) return;
    main.append(make("section", {}, make("h2", { id: name }, name), ...entries));
    contents.append(
      make("h2", {}, make("a", { href: `#${name}` }, name)),
      ...entries.map((one) => make("a", { href: `#${one.id}` }, short(one))),
    );
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
    found.textContent = !words.length ? "" : shown ? `${shown} found` : "No entries found.";
  };

  document.getElementById("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const first = main.querySelector("details[data-words]:not([hidden])");
    if (first) {
      first.open = true;
      first.querySelector("summary").focus();
    }
  });
  find.addEventListener("input", filter);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) {
      event.preventDefault();
      find.focus();
    }
  });
  addEventListener("hashchange", open);
  // A link to the current fragment fires no hashchange.
  document.addEventListener(
    "click",
    (event) => event.target.closest("a")?.getAttribute("href") === location.hash && open(),
  );

  // Load a document and show it.
  const load = (url, show) =>
    fetch(url).then((response) => response.json()).then((document_) => {
      loaded = document_;
      document.getElementById("version").textContent = loaded.info.version;
      main.replaceChildren();
      show(loaded);
      filter();
      open();
    }).catch((error) => {
      state.textContent = `The document could not be loaded (${error.message}). Reload the page.`;
      main.replaceChildren(state);
    });

  return { main, contents, make, prose, resolve, kind, table, row, json, entry, section, load };
})();
