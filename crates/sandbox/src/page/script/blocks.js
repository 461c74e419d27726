// ATTACH and KEYBOARD of a message. The portal has checked them, yet nothing here relies on that.

const asList = (value) => (Array.isArray(value) ? value : value && typeof value === "object" ? [value] : []);

const written = (value) => (value === undefined || value === null ? "" : String(value));

const bytes = (size) =>
  size >= 1_048_576 ? `${(size / 1_048_576).toFixed(1)} MB` : size >= 1_024 ? `${(size / 1_024).toFixed(1)} KB` : `${size} bytes`;

/** Kinds of blocks: from the content to elements. */
const BLOCKS = {
  MESSAGE: (content) => [make("div", { dir: "auto" }, inline(written(content)))],
  LINK: (content) => [
    make(
      "div",
      { class: "block-link" },
      link(content.LINK, {}, plain(written(content.NAME ?? content.LINK))),
      make("div", { class: "note" }, inline(written(content.HTML ?? content.DESC))),
      content.PREVIEW ? picture(content.PREVIEW, "", "small") : null,
    ),
  ],
  USER: (content) => [
    make(
      "div",
      { class: "block-user" },
      make("span", { class: "avatar", "aria-hidden": "true" }, written(content.NAME).slice(0, 1)),
      content.LINK ? link(content.LINK, {}, plain(written(content.NAME))) : name(written(content.NAME)),
    ),
  ],
  GRID: (content) => [grid(asList(content))],
  IMAGE: (content) => asList(content).map((image) => picture(image.PREVIEW ?? image.LINK, written(image.NAME), "medium")),
  FILE: (content) =>
    asList(content).map((file) =>
      make(
        "div",
        { class: "file" },
        make("span", { class: "glyph", "aria-hidden": "true" }, "▤"),
        link(file.LINK, {}, plain(written(file.NAME ?? file.LINK))),
        file.SIZE ? ` ${bytes(Number(file.SIZE))}` : null,
      ),
    ),
  DELIMITER: (content) => {
    const rule = make("hr");
    if (isColour(content.COLOR)) rule.style.borderColor = content.COLOR;
    const width = Number(content.SIZE ?? 200);
    if (width > 0) rule.style.width = `${Math.min(width, 600)}px`;
    return [rule];
  },
};

const grid = (rows) =>
  make(
    "dl",
    { class: "grid" },
    rows.map((row) => {
      const layout = ["BLOCK", "LINE", "ROW", "TABLE"].includes(row.DISPLAY) ? row.DISPLAY.toLowerCase() : "block";
      const value = make("dd", { dir: "auto" }, row.LINK ? link(row.LINK, {}, inline(written(row.VALUE))) : inline(written(row.VALUE)));
      if (isColour(row.COLOR)) colour(value, row.COLOR);
      return make("div", { class: `${layout} ${colourToken(row.COLOR_TOKEN)}` }, make("dt", {}, plain(written(row.NAME))), value);
    }),
  );

/** A message's attachment. */
const attachment = (attach) => {
  const blocks = Array.isArray(attach) ? attach : asList(attach?.BLOCKS);
  const element = make("div", { class: `attach ${colourToken(attach?.COLOR_TOKEN)}`, role: "group", "aria-label": "Attachment" });
  if (isColour(attach?.COLOR)) element.style.borderColor = attach.COLOR;
  for (const block of blocks) {
    const [kind, content] = Object.entries(block ?? {})[0] ?? [];
    if (Object.hasOwn(BLOCKS, kind)) element.append(...BLOCKS[kind](content ?? {}));
  }
  return element;
};

/** A message's buttons, row by row. */
const keyboard = (value) => {
  const items = Array.isArray(value) ? value : asList(value?.BUTTONS);
  const element = make("div", { class: "keyboard", role: "group", "aria-label": "Keyboard" });
  let row = null;
  for (const item of items) {
    if (item?.TYPE === "NEWLINE") {
      row = null;
      continue;
    }
    const isLine = item?.DISPLAY === "LINE";
    if (!row || !isLine) {
      row = make("div", { class: "row" });
      element.append(row);
    }
    const pressed = link(item?.LINK ?? "", { class: `key ${colourToken(item?.BG_COLOR_TOKEN ?? "base")}` }, plain(written(item?.TEXT)));
    if (item?.DISABLED === "Y") {
      pressed.removeAttribute("href");
      pressed.setAttribute("aria-disabled", "true");
    }
    if (isColour(item?.BG_COLOR)) pressed.style.backgroundColor = item.BG_COLOR;
    if (isColour(item?.TEXT_COLOR)) pressed.style.color = item.TEXT_COLOR;
    if (Number(item?.WIDTH) > 0) pressed.style.minWidth = `${Math.min(Number(item.WIDTH), 600)}px`;
    row.append(pressed);
    if (!isLine) row = null;
  }
  return element;
};
