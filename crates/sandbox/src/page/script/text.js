// Texts that anybody may have sent.

/** Characters that cannot be seen and change what is: controls, and marks of direction. */
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/;
const HIDDEN_ALL = new RegExp(HIDDEN.source, "g");

const hasHidden = (text) => HIDDEN.test(text);

/** The code point of a hidden character, where it stands. */
const mark = (letter) => {
  const code = letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  return make("span", { class: "mark", title: `The character U+${code}, which cannot be seen` }, `U+${code}`);
};

/** A text as nodes, its hidden characters as marks. */
const plain = (text) => {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(HIDDEN_ALL)) {
    if (found.index > end) nodes.push(text.slice(end, found.index));
    nodes.push(mark(found[0]));
    end = found.index + found[0].length;
  }
  if (end < text.length) nodes.push(text.slice(end));
  return nodes;
};

/** A name that stays where it is, whatever its direction. */
const name = (text, attributes = {}) => make("bdi", attributes, plain(String(text)));

const clockTime = (text, offsetHours) => {
  const time = new Date(new Date(text).getTime() + offsetHours * 3_600_000);
  return Number.isNaN(time.getTime()) ? text : time.toISOString().slice(11, 19);
};

const dayAndTime = (milliseconds, offsetHours) => {
  const time = new Date(milliseconds + offsetHours * 3_600_000);
  if (Number.isNaN(time.getTime())) return "not a time";
  const sign = offsetHours < 0 ? "−" : "+";
  return `${time.toISOString().slice(0, 19).replace("T", " ")} UTC${sign}${Math.abs(offsetHours)}`;
};
