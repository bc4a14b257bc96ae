/** Builds elements. Text becomes a text node or an attribute, so user input is never markup. */

/** Create an element: `on…` properties are listeners, `true` is an empty attribute, `false` and `undefined` are omitted. */
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

/** An SVG icon of one path, on a grid of 24 by 24. */
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

/** Replace the children of `node`. */
export function fill(node, ...children) {
  node.replaceChildren(...present(children));
  return node;
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false);
}

/** Announce a text to screen readers. */
export function announce(text) {
  const live = document.getElementById("live");
  live.textContent = "";
  setTimeout(() => (live.textContent = text), 50);
}

/** Set the title of the page. */
export function title(text) {
  document.title = text === "NextBuy" ? text : `${text} · NextBuy`;
}

/**
 * The URL of `path` if it is on this site, else `otherwise`: a query parameter must not redirect to another site. A path alone would not
 * do: `/..//host/` is on this site, and its path, `//host/`, is not.
 */
export function localPath(path, otherwise) {
  try {
    const url = new URL(path, location.origin);
    return url.origin === location.origin && url.protocol === location.protocol ? url.href : otherwise;
  } catch {
    return otherwise;
  }
}
