// The reference page, made from openapi.yaml.

import { fill, h } from "./dom.js";
import { json } from "./format.js";
import { markdown } from "./markdown.js";
import { parseYAML } from "./yaml.js";

const methods = ["get", "post", "put", "delete"];
let spec = null;

/** What a reference stands for, and what stands beside it. */
function resolve(object) {
  if (!object?.$ref) return object ?? {};
  const target = object.$ref.slice(2).split("/").reduce((at, part) => at[part], spec);
  const { $ref, ...rest } = object;
  return { ...resolve(target), ...rest };
}

const refName = (object) => object?.$ref?.startsWith("#/components/schemas/") ? object.$ref.split("/").at(-1) : null;

/** A schema's type in words; named schemas lead to where they are described. */
function typeOf(schema) {
  const name = refName(schema);
  if (name) return h("a", { href: `#schema-${name}` }, name);
  if (!schema || schema === true) return "any";
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return options.flatMap((option, at) => (at ? [" | ", typeOf(option)] : [typeOf(option)]));
  if (schema.type === "array") return ["array of ", typeOf(schema.items)];
  if (schema.type === undefined) return "any";
  return [schema.type].flat().join(" | ") + (schema.format ? ` (${schema.format})` : "");
}

function bounds(schema) {
  const target = resolve(schema);
  const texts = [
    target.minimum !== undefined && target.maximum !== undefined ? `${target.minimum}–${target.maximum}`
      : target.minimum !== undefined ? `≥ ${target.minimum}` : target.maximum !== undefined && `≤ ${target.maximum}`,
    target.minLength !== undefined && target.maxLength !== undefined ? `${target.minLength}–${target.maxLength} characters`
      : target.maxLength !== undefined && `≤ ${target.maxLength} characters`,
    target.maxItems !== undefined && `≤ ${target.maxItems} entries`,
    target.maxProperties !== undefined && `≤ ${target.maxProperties} entries`,
    target.default !== undefined && `default ${JSON.stringify(target.default)}`,
  ].filter(Boolean);
  return texts.length > 0 && h("span", { class: "muted" }, texts.join(" · "));
}

const row = (name, schema, { isRequired = false, description } = {}) => h("div", { class: "row" },
  h("div", {}, h("code", { class: "name" }, name), isRequired && h("span", { class: "need" }, "required")),
  h("div", {}, h("div", { class: "type" }, typeOf(schema), " ", bounds(schema)), markdown(description ?? (refName(schema) ? null : schema?.description))));

/** An object's fields; what is nested and has no name of its own comes below its field. */
function fields(schema, depth = 0) {
  const target = resolve(schema);
  const parts = target.allOf ? target.allOf.map(resolve) : [target];
  return parts.flatMap((part) => Object.entries(part.properties ?? {}).flatMap(([name, inner]) => {
    const own = [row(name, inner, { isRequired: part.required?.includes(name) })];
    const nested = refName(inner) ? null : inner.type === "array" ? inner.items : inner;
    if (depth < 3 && nested && !refName(nested) && nested.properties) own.push(h("div", { class: "nested" }, fields(nested, depth + 1)));
    return own;
  }));
}

/** What is sent is told where it is sent; what comes back is told once, among the schemas. */
function schemaBox(schema, isSent = false) {
  if (refName(schema) && !isSent) return h("p", { class: "type" }, typeOf(schema));
  const rows = fields(schema);
  return rows.length > 0 ? h("div", { class: "rows" }, rows) : h("p", { class: "type" }, typeOf(schema));
}

const code = (text, label) => h("pre", { class: "code", tabindex: "0", "aria-label": label }, text);

function examplesOf(content) {
  const named = Object.values(content.examples ?? {}).map((example) => [example.summary, example.value]);
  if (content.example !== undefined) named.push(["Example", content.example]);
  if (named.length === 0) {
    const example = resolve(content.schema).examples?.[0];
    if (example !== undefined) named.push(["Example", example]);
  }
  return named.map(([summary, value]) => [h("div", { class: "caption" }, summary),
    code(typeof value === "string" ? value : json(value), summary)]);
}

function curl(method, path, operation) {
  const lines = [`curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}"$PADDOCK_URL${path}"`];
  if (!(operation.security?.length === 0)) lines.push(`  -H "Authorization: Bearer $PADDOCK_TOKEN"`);
  const body = operation.requestBody?.content?.["application/json"];
  const example = body && Object.values(body.examples ?? {})[0]?.value;
  if (example !== undefined) lines.push(`  -H "Content-Type: application/json"`, `  -d '${JSON.stringify(example)}'`);
  return lines.join(" \\\n");
}

function operationSection(path, item, method) {
  const operation = item[method];
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolve).filter(({ name }) => name !== "X-Request-ID");
  const body = operation.requestBody;
  const responses = Object.entries(operation.responses ?? {}).map(([status, response]) => [status, resolve(response)]);
  const good = responses.filter(([status]) => status.startsWith("2"));
  const bad = responses.filter(([status]) => !status.startsWith("2"));
  return h("section", { class: "operation", id: operation.operationId, "aria-labelledby": `${operation.operationId}-title` },
    h("h3", { id: `${operation.operationId}-title` }, operation.summary),
    h("p", { class: "route" }, h("b", { class: `method ${method}` }, method.toUpperCase()), " ", h("code", {}, path)),
    markdown(operation.description),
    parameters.length > 0 && [h("h4", {}, "Parameters"), h("div", { class: "rows" }, parameters.map((parameter) =>
      row(parameter.name, parameter.schema, {
        isRequired: parameter.required, description: `${parameter.description ?? ""}${parameter.in === "query" ? "" : ` (${parameter.in})`}`,
      })))],
    body && [h("h4", {}, body.required ? "Body" : "Body, if there is one"),
      Object.values(body.content).map((content) => [schemaBox(content.schema, true), examplesOf(content)])],
    h("h4", {}, "Answers"),
    good.map(([status, response]) => h("div", { class: "answer" },
      h("p", {}, h("code", { class: "name" }, status), " ", response.description),
      Object.entries(response.content ?? {}).map(([type, content]) => [
        h("p", { class: "type" }, type), type === "application/json" && schemaBox(content.schema),
        typeof content.example === "string" ? code(content.example, type) : !refName(content.schema) && examplesOf(content)]))),
    bad.length > 0 && h("p", { class: "muted" }, "Errors: ", bad.map(([status, response], at) => [at > 0 && ", ",
      response.content?.["application/problem+json"] ? h("a", { href: `#error-${status}` }, status) : h("code", {}, status)]), "."),
    path.startsWith("/") && h("details", {}, h("summary", {}, "With curl"), code(curl(method, path, operation), "With curl")));
}

function errorsSection() {
  const shared = Object.values(spec.components.responses).filter((response) => response.content?.["application/problem+json"]);
  return h("section", { id: "errors" }, h("h2", {}, "Errors"),
    markdown("Every error is a [Problem](#schema-Problem). A client should decide by `status` and `code`."),
    shared.map((response) => {
      const { example } = response.content["application/problem+json"];
      // The second one of a status is told under the first.
      const codes = [...response.description.matchAll(/`([a-z_]+)`/g)].map((match) => match[1]);
      return h("section", { class: "operation", id: `error-${example.status}` }, h("h3", {}, String(example.status)),
        codes.map((name) => h("span", { id: `error-${name}` })), markdown(response.description), code(json(example), `Example of ${example.status}`));
    }));
}

function draw() {
  const groups = spec.tags.map((tag) => ({ ...tag, operations: Object.entries(spec.paths).flatMap(([path, item]) =>
    methods.filter((method) => item[method]?.tags?.includes(tag.name)).map((method) => ({ path, item, method }))) }));
  const slug = (text) => `tag-${text.toLowerCase()}`;
  const schemas = Object.entries(spec.components.schemas).filter(([name]) => name !== "AnyJSON");
  fill(document.getElementById("contents"),
    h("ul", {},
      h("li", {}, h("a", { href: "#about" }, "About")),
      groups.map((group) => h("li", {}, h("a", { href: `#${slug(group.name)}` }, group.name), h("ul", {},
        group.operations.map(({ item, method }) => h("li", {}, h("a", { href: `#${item[method].operationId}` }, item[method].summary)))))),
      h("li", {}, h("a", { href: "#webhooks" }, "Webhooks")),
      h("li", {}, h("a", { href: "#errors" }, "Errors")),
      h("li", {}, h("a", { href: "#schemas" }, "Schemas"), h("ul", {}, schemas.map(([name]) =>
        h("li", {}, h("a", { href: `#schema-${name}` }, name)))))));
  fill(document.getElementById("main"),
    h("section", { id: "about" }, h("h1", {}, `${spec.info.title} HTTP API`), markdown(spec.info.description),
      h("h2", {}, "Authentication"),
      Object.entries(spec.components.securitySchemes).map(([name, scheme]) => [
        h("p", {}, h("code", { class: "name" }, scheme.type === "http" ? "Authorization: Bearer …" : `?${scheme.name}=…`)), markdown(scheme.description)])),
    groups.map((group) => h("section", { id: slug(group.name) }, h("h2", {}, group.name), markdown(group.description),
      group.operations.map(({ path, item, method }) => operationSection(path, item, method)))),
    h("section", { id: "webhooks" }, h("h2", {}, "Webhooks"),
      Object.entries(spec.webhooks).map(([name, item]) => operationSection(name, item, "post"))),
    errorsSection(),
    h("section", { id: "schemas" }, h("h2", {}, "Schemas"), schemas.map(([name, schema]) =>
      h("section", { class: "operation", id: `schema-${name}` }, h("h3", {}, name), markdown(schema.description),
        schema.properties ? h("div", { class: "rows" }, fields(schema)) : h("p", { class: "type" }, typeOf(schema), " ", bounds(schema)),
        examplesOf({ schema })))));
}

/** Marks where one reads in the contents. */
function follow() {
  const links = new Map([...document.querySelectorAll("#contents a")].map((link) => [link.getAttribute("href").slice(1), link]));
  const seen = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) entry.isIntersecting ? seen.add(entry.target) : seen.delete(entry.target);
    const first = [...seen].sort((one, other) => one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING ? 1 : -1).at(0);
    if (!first) return;
    for (const link of links.values()) link.removeAttribute("aria-current");
    const link = links.get(first.id);
    link.setAttribute("aria-current", "true");
    link.scrollIntoView({ block: "nearest" });
  }, { rootMargin: "-10% 0px -70% 0px" });
  for (const id of links.keys()) observer.observe(document.getElementById(id));
}

try {
  const response = await fetch("/openapi.yaml");
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  spec = parseYAML(await response.text());
  draw();
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  follow();
} catch (error) {
  fill(document.getElementById("main"), h("p", { role: "alert" }, `This page cannot be made from openapi.yaml: ${error.message}`));
}
