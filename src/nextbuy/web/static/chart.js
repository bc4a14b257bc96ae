/** Small bar charts; a label and a title per bar describe them to screen readers. */

import { el } from "./dom.js";

/** A bar for each `[name, number, text]`; the first and the last name are below. */
export function columns(points, label) {
  const max = Math.max(1, ...points.map(([, number]) => number));
  const node = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const width = 12;
  const attributes = { viewBox: `0 0 ${points.length * width} 100`, preserveAspectRatio: "none", role: "img", "aria-label": label, class: "columns" };
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  points.forEach(([name, number, text], place) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = number ? Math.max(3, (number / max) * 100) : 1;
    for (const [key, value] of Object.entries({ x: place * width + 2, y: 100 - height, width: width - 4, height, class: number ? "" : "none" })) bar.setAttribute(key, value);
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = `${name}: ${text ?? number}`;
    bar.append(title);
    node.append(bar);
  });
  const ends = el("p", { class: "soft ends", "aria-hidden": "true" }, el("span", {}, points[0]?.[0]), el("span", {}, points.at(-1)?.[0]));
  return el("figure", { class: "chart" }, el("figcaption", { class: "soft" }, label), node, ends);
}
