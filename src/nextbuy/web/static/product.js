// @ts-check
/** Reports that a product's page was viewed, and that its product was added to a basket. */

import { record } from "./activity.js";

const form = document.querySelector("form.buy");
const id = /** @type {HTMLElement | null} */ (document.querySelector("article.product"))?.dataset.id;

if (id) {
  record(id, "viewed");
  form?.addEventListener("submit", () => record(id, "added-to-basket"));
}
