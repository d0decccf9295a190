// Elements without markup: whatever comes from elsewhere only ever becomes text.

/** An element. `on…` are listeners, `class` and ARIA are attributes, other names properties; null and false are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Puts these in the place of whatever an element held. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

let lastID = 0;
export const freshID = (what) => `${what}-${++lastID}`;

/** Tells a screen reader, without moving the focus. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** A modal dialog that is gone when it is closed. The focus goes back to where it was. */
export function openDialog(title, ...children) {
  const heading = h("h2", { id: freshID("dialog") }, title);
  const dialog = h("dialog", { "aria-labelledby": heading.id }, heading, children);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Hands a file to the browser. */
export function save(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
