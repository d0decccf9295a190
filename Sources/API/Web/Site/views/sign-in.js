import { api, session } from "../api.js";
import { fill, h } from "../dom.js";

/** Asks for a key and tries it. `done` is called when it holds. */
export function signInView(root, problem, done) {
  const key = h("input", {
    id: "key", name: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: false,
    placeholder: "pdk_…", "aria-describedby": "key-fault", class: "mono",
  });
  const fault = h("span", { id: "key-fault", class: "fault", role: "alert" }, problem?.message);
  const button = h("button", { class: "main", type: "submit" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    fault.textContent = "";
    button.disabled = true;
    session.begin(key.value.trim());
    try {
      await api.me();
      done();
    } catch (error) {
      session.end();
      // The view may have been drawn anew when the key was refused.
      (document.getElementById("key-fault") ?? fault).textContent =
        error.status === 401 ? "This key is not known here, or no longer holds." : error.message;
      document.getElementById("key")?.focus();
    }
    button.disabled = false;
  };
  fill(root, h("div", { class: "sheet sign-in" },
    h("h1", {}, "Paddock"),
    h("p", { class: "muted" }, "Runs agents behind a fence."),
    h("form", { onsubmit: submit },
      h("div", { class: "field" },
        h("label", { for: "key" }, "API key or token"),
        key,
        h("span", { class: "hint" }, "Kept in this tab until you sign out or close it."),
        fault),
      h("div", { class: "buttons" }, button, h("a", { class: "quiet push", href: "/docs" }, "API reference")))));
  key.focus();
}
