/** Building the page. Every text goes in as a text node or an attribute, so nothing that a person wrote is ever markup. */

/** Make an element: `on…` properties are listeners, `true` is an empty attribute, `false` and `undefined` are left out. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...present(children));
  return node;
}

/** A drawing of one line, on 24 by 24. */
export function icon(path) {
  const drawing = (tag, name, value) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    node.setAttribute(name, value);
    return node;
  };
  const svg = drawing("svg", "viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.append(drawing("path", "d", path));
  return svg;
}

/** Put these children in place of what `node` holds. */
export function fill(node, ...children) {
  node.replaceChildren(...present(children));
  return node;
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false);
}

/** Say something to those who listen to the page instead of looking at it. */
export function announce(text) {
  const live = document.getElementById("live");
  live.textContent = "";
  setTimeout(() => (live.textContent = text), 50);
}

/** Give the page its title. */
export function title(text) {
  document.title = text === "NextBuy" ? text : `${text} · NextBuy`;
}

/** A path of this site, or `otherwise`: what comes from outside may not lead anywhere else. */
export function localPath(path, otherwise) {
  try {
    const url = new URL(path, location.origin);
    return url.origin === location.origin ? url.pathname + url.search + url.hash : otherwise;
  } catch {
    return otherwise;
  }
}
