// Elements of the page. Text becomes a text node and nothing else.

const byId = (id) => document.getElementById(id);

/** Attributes that elements may get. None of them runs or loads anything. */
const ATTRIBUTES = new Set(["class", "title", "type", "dir", "role", "tabindex", "scope", "value", "datetime"]);

/** An element with attributes and children: texts, elements, or nothing. */
const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (!ATTRIBUTES.has(key) && !key.startsWith("aria-")) throw new Error(`attribute ${key}`);
    if (value !== undefined && value !== null) element.setAttribute(key, String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
};

const button = (text, act, attributes = {}) => {
  const element = make("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", act);
  return element;
};

/** The address if a browser may go there: http and https alone. */
const webAddress = (text) => {
  const trimmed = String(text).trim();
  if (!/^https?:\/\/[^\s]+$/i.test(trimmed) || hasHidden(trimmed)) return null;
  try {
    const address = new URL(trimmed);
    return ["http:", "https:"].includes(address.protocol) ? address.href : null;
  } catch {
    return null;
  }
};

/** A link that tells its target nothing; text with a note if its address is none to go to. */
const link = (address, attributes, ...children) => {
  const target = webAddress(address);
  if (target === null) {
    const where = String(address).startsWith("/") ? `On the portal: ${address}` : `No link: ${address}`;
    return make("span", { ...attributes, class: `no-link ${attributes.class ?? ""}`.trim(), title: where }, ...children);
  }
  const element = make("a", { ...attributes, title: target }, ...children);
  element.href = target;
  element.target = "_blank";
  element.rel = "noopener noreferrer nofollow";
  return element;
};

const isColour = (text) => /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.test(text ?? "");

/** Gives a text a colour of its sender's, on a ground where it can be read. */
const colour = (element, hex) => {
  const digits = hex.length === 4 ? [...hex.slice(1)].map((digit) => digit + digit) : hex.slice(1).match(/../g);
  const [red, green, blue] = digits.map((pair) => {
    const part = parseInt(pair, 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  // Below the first it can be read on white and on no dark ground, above the second the other way round.
  element.classList.add("own-colour", luminance < 0.183 ? "own-dark" : luminance < 0.33 ? "own-mid" : "own-light");
  element.style.color = hex;
  return element;
};

/** One of the portal's four named colours, as the name of a class. */
const colourToken = (token) => (["primary", "secondary", "alert", "base"].includes(token) ? `token-${token}` : "");

/** A table of at least a row, else a note. */
const table = (headings, rows, none) =>
  rows.length === 0
    ? make("p", { class: "note" }, none)
    : make(
        "table",
        {},
        make("thead", {}, make("tr", {}, headings.map((heading) => make("th", { scope: "col" }, heading)))),
        make("tbody", {}, rows.map((row) => make("tr", {}, row.map((cell) => make("td", {}, cell))))),
      );

const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
