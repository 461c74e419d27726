// Chats and the conversation in one of them.

const MOST_CHATS = 50;
const MOST_MESSAGES = 200;

/** A longer text is folded. */
const FOLDED_ABOVE = 1_500;

/** Chats by id, the one with the newest message last: what the server says, messages, how many are unread. */
const chats = new Map();
let selected = null;

const KINDS = { connector: "Connector", crm: "CRM", network: "Network" };

const about = (chat) => {
  switch (chat.kind) {
    case "connector":
      return `Line ${chat.line}, connector ${chat.connector}, ${chat.id}, external chat ${chat.external_chat}`;
    case "crm":
      return `${chat.id}, linked to ${chat.title}`;
    default:
      return `Messages of network line ${chat.code}`;
  }
};

const addMessages = (messages, anew) => {
  for (const message of messages) {
    const id = message.chat.id;
    const known = chats.get(id) ?? { messages: new Map(), unread: 0, row: null };
    known.chat = message.chat;
    if (!anew && !known.messages.has(message.id) && id !== selected) known.unread += 1;
    known.messages.set(message.id, message);
    if (known.messages.size > MOST_MESSAGES) known.messages.delete(known.messages.keys().next().value);
    chats.delete(id);
    chats.set(id, known);
  }
  while (chats.size > MOST_CHATS) {
    const oldest = [...chats.keys()].find((id) => id !== selected);
    chats.delete(oldest);
  }
  if (selected === null && chats.size > 0) select([...chats.keys()].pop(), false);
};

const forgetChats = () => {
  chats.clear();
  shown.clear();
  byId("conversation").replaceChildren();
};

const select = (id, focus) => {
  selected = id;
  const known = chats.get(id);
  if (known) known.unread = 0;
  shown.clear();
  byId("conversation").replaceChildren();
  showChats();
  if (focus) byId("conversation").focus();
};

const showChats = () => {
  byId("no-chats").hidden = chats.size > 0;
  const rows = [...chats].reverse().map(([id, known]) => {
    // The button stays, so that it keeps the focus.
    known.row ??= make("li", {}, button("", () => select(id, true)));
    const last = [...known.messages.values()].pop();
    const choose = known.row.firstChild;
    choose.setAttribute("aria-current", String(id === selected));
    choose.replaceChildren(
      make("span", { class: "title" }, name(known.chat.title)),
      make("span", { class: `kind ${known.chat.kind}` }, KINDS[known.chat.kind]),
      make("span", { class: "last" }, name(withoutCodes(last.text.slice(0, 200)).slice(0, 60) || plural(last.files?.length ?? 0, "file"))),
      known.unread > 0 ? make("span", { class: "unread", "aria-label": plural(known.unread, "unread message") }, String(known.unread)) : "",
    );
    return known.row;
  });
  const list = byId("chats");
  if (rows.length !== list.children.length || rows.some((row, at) => row !== list.children[at])) list.replaceChildren(...rows);
  showConversation();
};

/** The messages that are on the page, by id. */
const shown = new Map();

const showConversation = () => {
  const known = chats.get(selected);
  const log = byId("conversation");
  byId("conversation-title").replaceChildren(known ? name(known.chat.title) : "Conversation");
  byId("conversation-about").replaceChildren(...plain(known ? about(known.chat) : "Call a method of the portal, and the message shows here."));
  if (!known) return;
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  for (const [id, message] of known.messages) {
    if (shown.has(id)) continue;
    const element = messageElement(message);
    shown.set(id, element);
    log.append(element);
  }
  for (const [id, element] of shown) {
    if (known.messages.has(id)) continue;
    element.remove();
    shown.delete(id);
  }
  if (follows) log.scrollTop = log.scrollHeight;
};

const messageElement = (message) => {
  const text = make("div", { class: "text", dir: "auto" }, markup(message.text));
  const element = make(
    "article",
    { class: `message ${message.from}` },
    make(
      "header",
      {},
      make("span", { class: "author" }, name(message.author)),
      make("time", { datetime: message.time }, clockTime(message.time, portalOffset())),
      button(`request ${message.sequence}`, () => openRequest(message.sequence), { class: "quiet" }),
    ),
    message.text ? text : null,
  );
  const length = [...message.text].length + message.text_left_out;
  if (length > FOLDED_ABOVE) {
    text.classList.add("folded");
    const unfold = button(`Show all ${plural(length, "character")}`, () => {
      const folded = text.classList.toggle("folded");
      unfold.textContent = folded ? `Show all ${plural(length, "character")}` : "Show less";
      unfold.setAttribute("aria-expanded", String(!folded));
    }, { class: "quiet", "aria-expanded": "false" });
    element.append(unfold);
  }
  if (message.text_left_out > 0) element.append(make("p", { class: "note" }, `${plural(message.text_left_out, "character")} more are not shown.`));
  for (const file of message.files ?? []) {
    const isPicture = /\.(jpe|jpg|jpeg|png|webp|gif|bmp)$/i.test(file.name || file.url.split(/[?#]/)[0]);
    element.append(
      isPicture
        ? picture(file.url, file.name, "medium")
        : make("div", { class: "file" }, make("span", { class: "glyph", "aria-hidden": "true" }, "▤"), link(file.url, {}, plain(file.name || file.url))),
    );
  }
  if (message.files_left_out > 0) element.append(make("p", { class: "note" }, `${plural(message.files_left_out, "file")} more are not shown.`));
  if (message.attach) element.append(attachment(message.attach));
  if (message.keyboard) element.append(keyboard(message.keyboard));
  if (message.url_preview === false) element.append(make("p", { class: "note" }, "Links without a preview"));
  return element;
};

const showLines = ({ lines, network_lines: network, crm_chats: crm }) => {
  const row = (title, state, note) => make("li", {}, make("span", {}, title), make("span", { class: `state ${state}` }, state), make("span", { class: "note" }, plain(note)));
  byId("lines").replaceChildren(
    ...lines.map((line) => row(`Line ${line.id}`, line.active ? "active" : "off", line.connectors.join(", ") || "no connector")),
    ...network.map((line) => row("Network line", line.joined ? "joined" : "not joined", line.code)),
    ...crm.map((chat) => row(`Chat ${chat.id}`, "CRM", `${chat.items.join(", ")}; members ${chat.members.join(", ")}`)),
  );
};
