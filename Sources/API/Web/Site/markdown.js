// As much of Markdown as the descriptions are written in: paragraphs, lists, tables, code, bold and links.

import { h } from "./dom.js";

/** Text within a line. */
function inline(text) {
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(/`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\((#[\w-]+|https:\/\/[^)\s]+)\)/g)) {
    parts.push(text.slice(last, match.index));
    last = match.index + match[0].length;
    if (match[1]) parts.push(h("code", {}, match[1]));
    else if (match[2]) parts.push(h("strong", {}, match[2]));
    else parts.push(h("a", { href: match[4], rel: "noreferrer" }, match[3]));
  }
  return [...parts, text.slice(last)];
}

const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

export function markdown(text) {
  return (text ?? "").trim().split(/\n\s*\n/).filter(Boolean).map((block) => {
    const lines = block.split("\n");
    if (lines.every((line) => line.startsWith("|"))) {
      const [head, , ...rows] = lines.map(cells);
      return h("div", { class: "scroll" }, h("table", {},
        h("thead", {}, h("tr", {}, head.map((cell) => h("th", { scope: "col" }, inline(cell))))),
        h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, inline(cell))))))));
    }
    if (lines[0].startsWith("- ")) {
      const items = block.split(/^- /m).filter(Boolean).map((item) => item.replaceAll(/\n\s*/g, " ").trim());
      return h("ul", {}, items.map((item) => h("li", {}, inline(item))));
    }
    return h("p", {}, inline(lines.join(" ")));
  });
}
