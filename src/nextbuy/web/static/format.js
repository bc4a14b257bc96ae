/** Formats amounts, times, statuses and moderation reasons. */

const formats = new Map();

function formatOf(currency) {
  if (!formats.has(currency)) formats.set(currency, new Intl.NumberFormat("en", { style: "currency", currency }));
  return formats.get(currency);
}

const digitsOf = (currency) => formatOf(currency).resolvedOptions().maximumFractionDigits;

/** An amount in minor units with its currency: "$28.00". */
export function money({ amount, currency }) {
  return formatOf(currency).format(amount / 10 ** digitsOf(currency));
}

/** An amount in minor units for a text field: "28.00". */
export function plainAmount({ amount, currency }) {
  return (amount / 10 ** digitsOf(currency)).toFixed(digitsOf(currency));
}

/** A typed price ("28", "28.5", "1,299.00") in cents, or null if invalid. */
export function parseAmount(text) {
  const plain = text.trim().replace(/^\$\s*/, "").replace(/,(?=\d{3}(\D|$))/g, "").replace(",", ".");
  const match = /^(\d{1,9})(?:\.(\d{1,2}))?$/.exec(plain);
  return match ? Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0")) : null;
}

const day = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/** A date and time in the reader's time zone. */
export const when = (instant) => day.format(new Date(instant));

/** "1 product", "2 products". */
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** A text with a capital first letter. */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const STATES = {
  active: ["For sale", "good"],
  approved: ["Approved", "good"],
  paid: ["Paid", "good"],
  sent: ["Sent", "good"],
  replayed: ["Replayed", "good"],
  pending: ["Waiting for review", "wait"],
  waiting: ["Waiting", "wait"],
  replaying: ["Being replayed", "wait"],
  discarded: ["Discarded", "plain"],
  rejected: ["Refused", "bad"],
  suspended: ["Suspended", "bad"],
  refunded: ["Refunded", "bad"],
  failed: ["Failed", "bad"],
};

/** The label of a status and the style of its badge. */
export const stateOf = (status) => STATES[status] ?? [capital(String(status).replaceAll("-", " ")), "plain"];

const FIELDS = { title: "the title", description: "the description", category: "the category", tags: "the tags" };

const RULES = {
  "banned-word": (reason) => `A word in ${FIELDS[reason.field] ?? reason.field} is not allowed here: “${reason.word || reason.excerpt}”.`,
  "restricted-word": (reason) => `“${reason.word || reason.excerpt}” in ${FIELDS[reason.field] ?? reason.field} is always reviewed by an admin.`,
  "sensitive-category": (reason) => `Products in “${reason.excerpt}” are always reviewed by an admin.`,
  "incomplete-title": () => "The title is too short to tell what it is.",
  "incomplete-description": () => "The description is too short: say in a sentence or two what a buyer gets.",
  "price-moved": () => "The price changed by more than 20 %.",
  "admin-decision": (reason) => `The admin says: “${reason.excerpt}”`,
  "rejected-before": (reason) => `An admin refused it before: “${reason.excerpt}”`,
};

/** The reasons against a product, a sentence each. */
export function reasonsOf(moderation) {
  const against = moderation.reasons.filter((reason) => reason.points <= 0);
  const sentence = (reason) => RULES[reason.rule]?.(reason) ?? `${capital(reason.rule.replaceAll("-", " "))}: “${reason.excerpt}”`;
  return [...new Set(against.map(sentence))];
}
