// Who is signed in, and which view is shown.

import { api, session } from "./api.js";
import { announce, fill, h } from "./dom.js";
import { faultBanner } from "./parts.js";
import { accessView } from "./views/access.js";
import { adminView, userView } from "./views/admin.js";
import { agentView, agentsView } from "./views/agents.js";
import { editAgentView } from "./views/edit-agent.js";
import { executionView } from "./views/execution.js";
import { executionsView } from "./views/executions.js";
import { signInView } from "./views/sign-in.js";

const main = document.getElementById("main");
const top_ = document.getElementById("top");

const routes = [
  [/^#\/executions$/, executionsView, "executions"],
  [/^#\/executions\/([^/]+)$/, executionView, "executions"],
  [/^#\/agents$/, agentsView, "agents"],
  [/^#\/agents\/new$/, editAgentView, "agents"],
  [/^#\/agents\/([^/]+)$/, agentView, "agents"],
  [/^#\/agents\/([^/]+)\/edit$/, editAgentView, "agents"],
  [/^#\/access$/, accessView, "access"],
  [/^#\/admin$/, adminView, "admin"],
  [/^#\/admin\/users\/([^/]+)$/, userView, "admin"],
];

let user = null;
/** Ends whatever the view that is shown has under way. */
let leaving = new AbortController();

function drawTop(section) {
  if (!user) return fill(top_);
  const places = [["executions", "Executions"], ["agents", "Agents"], ["access", "Access"]];
  if (user.role === "admin") places.push(["admin", "Admin"]);
  fill(top_, h("div", { class: "bar" },
    h("a", { class: "brand", href: "#/executions" }, h("img", { src: "/web/mark.svg", alt: "", width: "20", height: "20" }), "Paddock"),
    h("nav", { "aria-label": "Main" }, places.map(([name, title]) =>
      h("a", { href: `#/${name}`, "aria-current": name === section ? "page" : null }, title))),
    h("div", { class: "who push" },
      h("a", { class: "quiet", href: "/docs" }, "API"),
      h("b", {}, user.name ?? user.id), h("span", {}, user.role),
      h("button", { class: "small", type: "button", onclick: signOut }, "Sign out"))));
}

async function show() {
  leaving.abort();
  leaving = new AbortController();
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  const { signal } = leaving;
  if (!session.key) return showSignIn();
  try {
    user ??= await api.me(signal);
  } catch (problem) {
    // A key that does not hold has led to the sign-in already.
    if (signal.aborted || problem.status === 401) return;
    fill(main, faultBanner(problem, show));
    return;
  }
  if (signal.aborted) return;
  const found = routes.map(([pattern, view, section]) => [pattern.exec(location.hash), view, section]).find(([match]) => match);
  if (!found) {
    location.replace("#/executions");
    return;
  }
  const [match, view, section] = found;
  drawTop(section);
  const root = h("div", {});
  fill(main, root);
  scrollTo(0, 0);
  try {
    const title = await view(root, { id: match[1] && decodeURIComponent(match[1]), user, signal });
    if (signal.aborted) return;
    document.title = `${title} · Paddock`;
    announce(title);
  } catch (problem) {
    if (signal.aborted || problem.status === 401) return;
    fill(root, faultBanner(problem, show));
  }
}

function showSignIn(problem = null) {
  user = null;
  drawTop();
  document.title = "Sign in · Paddock";
  signInView(main, problem, () => {
    if (!location.hash.startsWith("#/")) location.replace("#/executions");
    else show();
  });
}

function signOut() {
  leaving.abort();
  session.end();
  showSignIn();
}

// A fragment that is no view, such as the skip link's, is left to the browser.
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", show);
addEventListener("signed-out", (event) => {
  const wasSignedIn = session.key !== null;
  leaving.abort();
  session.end();
  showSignIn(wasSignedIn ? event.detail : null);
});
show();
