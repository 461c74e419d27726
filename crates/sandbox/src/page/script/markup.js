// BB codes of a message, as nodes. What is not correct markup stays as it was written.

/** How deep codes may stand in each other. Deeper ones are text. */
const DEEPEST = 20;

const CODE_PATTERN = /\[(\/?)([a-z]+)(?:=([^[\]\n]*)|\s([^[\]\n]*))?\]/gi;

/** A picture: its address is not fetched. */
const picture = (address, title, size) =>
  link(address, { class: `picture ${size}` }, make("span", { class: "glyph", "aria-hidden": "true" }, "▧"), make("span", {}, "Picture "), name(title || address));

const action = (what, attributes) => make("span", { class: "action", title: what, ...attributes });

/** Codes around other text: from the value to an element. `null`: not correct. */
const AROUND = {
  b: () => make("strong"),
  i: () => make("em"),
  u: () => make("u"),
  s: () => make("s"),
  size: (value) => {
    if (!/^\d{1,2}$/.test(value) || Number(value) < 8 || Number(value) > 30) return null;
    const element = make("span");
    element.style.fontSize = `${value}px`;
    return element;
  },
  color: (value) => (isColour(value) ? colour(make("span"), value) : null),
  url: (value) => (value ? link(value, {}) : null),
  user: (value) => (/^\d+$/.test(value) ? make("span", { class: "mention", title: `User ${value}` }) : null),
  chat: (value) => (/^(imol\||chat)?[\w|-]+$/.test(value) ? make("span", { class: "mention", title: `Chat ${value}` }) : null),
  context: (value) => (value ? make("span", { class: "mention", title: `Message ${value}` }) : null),
  send: (value) => action(value ? `Sends: ${value}` : "Sends this text"),
  put: (value) => action(value ? `Writes into the field: ${value}` : "Writes this into the field"),
  call: (value) => action(value ? `Calls ${value}` : "Calls this number"),
};

/** Codes that stand for themselves. */
const ALONE = {
  br: () => make("br"),
  disk: (value) => (/^\d+$/.test(value) ? make("span", { class: "file" }, `File ${value} of the portal's disk`) : null),
  icon: (value) => {
    const [address = "", ...rest] = value.split(/\s+/);
    const title = /title=(.*?)(?:\s+\w+=|$)/.exec(rest.join(" "))?.[1];
    return address ? picture(address, title, "icon") : null;
  },
  timestamp: (value) => {
    const seconds = /^(\d{1,11})(\s|$)/.exec(value)?.[1];
    return seconds ? make("time", { title: `[TIMESTAMP=${value}]` }, dayAndTime(seconds * 1_000, portalOffset())) : null;
  },
};

/** Codes whose content is not read: from content and value to an element. `null`: not correct. */
const WHOLE = {
  code: (content) => make("code", { class: "block", dir: "ltr" }, plain(content)),
  img: (content, value) => {
    const size = /size=(small|medium|large)/i.exec(value)?.[1]?.toLowerCase() ?? "medium";
    return content.trim() ? picture(content.trim(), "", size) : null;
  },
  url: (content, value) => (value ? null : link(content.trim(), {}, plain(content))),
};

/** A text without its codes, for a line of a list. */
const withoutCodes = (text) => text.replace(CODE_PATTERN, (written, slash, code) => (code.toLowerCase() === "br" ? " " : ""));

/** The text of one line or block. */
const inline = (text) => {
  const root = document.createDocumentFragment();
  const open = [{ node: root }];
  const top = () => open[open.length - 1].node;
  const asWritten = ({ node, written }) => node.replaceWith(written, ...node.childNodes);
  let end = 0;
  CODE_PATTERN.lastIndex = 0;
  for (let found; (found = CODE_PATTERN.exec(text)) !== null; ) {
    const [written, slash, tag, equal, spaced] = found;
    const code = tag.toLowerCase();
    const value = (equal ?? spaced ?? "").trim();
    top().append(...plain(text.slice(end, found.index)));
    end = found.index + written.length;
    if (slash) {
      const at = open.findLastIndex((frame) => frame.code === code);
      if (at < 1) {
        top().append(written);
        continue;
      }
      // Codes that were not closed before the one around them.
      open.splice(at + 1).reverse().forEach(asWritten);
      open.pop();
      continue;
    }
    if (Object.hasOwn(WHOLE, code)) {
      const rest = text.slice(end);
      const close = new RegExp(`\\[/${code}\\]`, "i").exec(rest);
      const element = close && WHOLE[code](rest.slice(0, close.index), value);
      if (element) {
        top().append(element);
        end += close.index + close[0].length;
        CODE_PATTERN.lastIndex = end;
        continue;
      }
    }
    const alone = Object.hasOwn(ALONE, code) ? ALONE[code](value) : null;
    const around = !alone && open.length <= DEEPEST && Object.hasOwn(AROUND, code) ? AROUND[code](value) : null;
    top().append(alone ?? around ?? written);
    if (around) open.push({ node: around, code, written });
  }
  top().append(...plain(text.slice(end)));
  open.slice(1).reverse().forEach(asWritten);
  return root;
};

const RULE = /^-{6,}$/;

/** A message's text: lines with >> and lines between rules are quotes. */
const markup = (text) => {
  const root = document.createDocumentFragment();
  if (/\[code\]/i.test(text) || !/^(>>|-{6,}$)/m.test(text)) {
    root.append(inline(text));
    return root;
  }
  const lines = text.split("\n");
  let ordinary = [];
  const flush = () => {
    if (ordinary.length > 0) root.append(make("div", {}, inline(ordinary.join("\n"))));
    ordinary = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const closing = RULE.test(lines[at]) ? lines.findIndex((line, index) => index > at && RULE.test(line)) : -1;
    let quoted = null;
    if (closing > at) {
      quoted = lines.slice(at + 1, closing);
      at = closing;
    } else if (lines[at].startsWith(">>")) {
      quoted = [];
      for (; lines[at]?.startsWith(">>"); at += 1) quoted.push(lines[at].slice(2));
      at -= 1;
    }
    if (quoted) {
      flush();
      root.append(make("blockquote", {}, inline(quoted.join("\n"))));
    } else {
      ordinary.push(lines[at]);
    }
  }
  flush();
  return root;
};
