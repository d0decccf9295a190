// Parts that several views are made of.

import { requestsLeft } from "./api.js";
import { fill, h } from "./dom.js";
import { relative, when, words } from "./format.js";

export const final = (status) => !["queued", "starting", "running", "stopping"].includes(status);

export const statusMark = (status) => h("span", { class: `status ${status}` }, words(status));

/** An error, and what can be done about it. */
export function faultBanner(problem, retry = null) {
  return h("div", { class: "banner bad", role: "alert" },
    problem.message,
    problem.code && h("span", { class: "muted mono" }, problem.code),
    problem.resetAt && h("span", { class: "muted" }, `Try again ${relative(problem.resetAt)}.`),
    problem.errors?.length > 0 && h("ul", {}, problem.errors.map((error) =>
      h("li", {}, error.path && [h("code", {}, error.path), " "], error.message))),
    retry && h("div", { class: "buttons" }, h("button", { type: "button", onclick: retry }, "Try again")));
}

/** A bar: how much of what there may be is used. */
export function meter(label, value, limit, text) {
  const share = limit > 0 ? value / limit : 0;
  return h("div", { class: "meter" },
    h("span", {}, label), h("span", { class: "value" }, text),
    limit > 0 && h("progress", {
      class: share >= 0.995 ? "full" : share >= 0.8 ? "high" : null, max: 1, value: Math.min(1, share), "aria-label": `${label}: ${text}`,
    }));
}

export function facts(pairs, style = "facts") {
  return h("dl", { class: style }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== false)
    .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

export const sheet = (title, ...body) => h("section", { class: "sheet", "aria-label": title }, h("h2", {}, title), h("div", { class: "body" }, body));

export const time = (text) => (text ? h("time", { datetime: text, title: when(text) }, relative(text)) : "–");

/** A table whose rows lead somewhere. Each column: [title, cell of an item, class]. */
export function table(caption, columns, items, open = null) {
  const body = h("tbody", {});
  const draw = (rows) => fill(body, rows.map((item) =>
    h("tr", {
      class: open ? "link" : null,
      onclick: open && ((event) => {
        if (!event.target.closest("a, button") && !String(getSelection())) open(item);
      }),
    }, columns.map(([, cell, style]) => h("td", { class: style }, cell(item))))));
  draw(items);
  const element = h("div", { class: "scroll" }, h("table", {},
    h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, columns.map(([title, , style]) => h("th", { scope: "col", class: style }, title)))), body));
  return { element, draw };
}

export const empty = (title, ...text) => h("div", { class: "empty" }, h("strong", {}, title), text);

/**
 * Does something again and again while the page can be seen, without using up the caller's requests: at most half of
 * those that are left. `work` says whether to go on quickly.
 */
export function repeat(work, signal, quick = 3) {
  let timer = null;
  const next = (soon) => {
    const budget = requestsLeft ? requestsLeft.seconds / Math.max(1, requestsLeft.remaining / 2) : 0;
    const wait = Math.max(soon ? quick : 15, budget);
    timer = setTimeout(round, wait * 1000);
  };
  const round = async () => {
    if (signal.aborted) return;
    if (document.hidden) return next(true);
    let soon = false;
    try {
      soon = await work();
    } catch (problem) {
      if (signal.aborted || problem.status === 401) return;
    }
    if (!signal.aborted) next(soon);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  next(true);
}
