// A form made from a JSON Schema, and raw JSON where the schema says too little, or too much.

import { fill, freshID, h } from "./dom.js";
import { json } from "./format.js";

/** What was typed cannot be sent: `path` is a JSON Pointer. */
class Fault extends Error {
  constructor(path, message) {
    super(message);
    this.path = path;
  }
}

const nothing = Symbol("nothing");

/** A schema as the form takes it: references followed, one type, and whether null may stand in its place. */
function plainSchema(schema, root, depth = 0) {
  if (typeof schema !== "object" || schema === null || depth > 20) return { kind: "any", schema: {} };
  if (typeof schema.$ref === "string") {
    const parts = schema.$ref.startsWith("#/") ? schema.$ref.slice(2).split("/") : null;
    const target = parts?.reduce((at, part) => at?.[decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")], root);
    return target ? plainSchema({ ...target, ...without(schema, "$ref") }, root, depth + 1) : { kind: "any", schema };
  }
  const options = schema.anyOf ?? schema.oneOf;
  if (options && options.length === 2 && options.some((option) => option?.type === "null")) {
    const inner = plainSchema(options.find((option) => option?.type !== "null"), root, depth + 1);
    return { ...inner, schema: { ...inner.schema, ...without(schema, "anyOf", "oneOf") }, nullable: true };
  }
  const types = [schema.type ?? (schema.properties ? "object" : schema.items ? "array" : [])].flat();
  const named = types.filter((type) => type !== "null");
  const nullable = types.includes("null") || (schema.enum?.includes(null) ?? false);
  if ("const" in schema) return { kind: "const", schema, nullable };
  if (schema.enum) return { kind: "enum", schema, nullable };
  if (options || schema.allOf || named.length !== 1) return { kind: "any", schema, nullable };
  const [type] = named;
  if (type === "object" && !schema.properties && schema.additionalProperties?.type === "string") return { kind: "map", schema, nullable };
  if (type === "object" && !schema.properties) return { kind: schema.additionalProperties === false ? "object" : "any", schema, nullable };
  if (type === "array" && (schema.items === undefined || Array.isArray(schema.items))) return { kind: "any", schema, nullable };
  return { kind: type, schema, nullable };
}

function without(object, ...keys) {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

const pointer = (path, key) => `${path}/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;

/** `secondsPerTick` is "Seconds per tick" to people. */
const title = (key) => {
  const text = key.replaceAll(/[_-]+/g, " ").replaceAll(/([a-z])([A-Z])/g, "$1 $2").trim();
  return /[A-Z]{2}/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1).toLowerCase();
};

function range(schema) {
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  if (typeof low === "number" && typeof high === "number") return `${low} to ${high}`;
  if (typeof low === "number" && low !== 0) return `at least ${low}`;
  if (typeof high === "number") return `at most ${high}`;
  return "";
}

/** Fields of one schema. `value()` is the JSON value, or `nothing` where an optional one was left empty. */
class Fields {
  constructor(root) {
    this.root = root;
    /** Every input by its place, to show what the server says of it. */
    this.places = new Map();
  }

  make(schema, { key, path, isRequired, value }) {
    const plain = plainSchema(schema, this.root);
    const given = value === nothing ? plain.schema.default ?? nothing : value;
    const context = { ...plain, label: plain.schema.title ?? (key === null ? "Value" : title(key)), path, isRequired, value: given };
    switch (plain.kind) {
      case "string": return this.text(context);
      case "integer": case "number": return this.number(context);
      case "boolean": return this.boolean(context);
      case "enum": return this.choice(context);
      case "const": return { element: h("div", { hidden: true }), value: () => (isRequired || given !== nothing ? plain.schema.const : nothing) };
      case "object": return this.object(context, key === null);
      case "array": return this.array(context);
      case "map": return this.map(context);
      case "null": return { element: h("div", { hidden: true }), value: () => (isRequired ? null : nothing) };
      default: return this.raw(context);
    }
  }

  field(context, input, { hint = "", isCheck = false, isShort = false } = {}) {
    const { label, path, isRequired, schema } = context;
    input.id = freshID("field");
    const texts = [schema.description, hint].filter(Boolean);
    const help = texts.length > 0 && h("span", { class: "hint", id: `${input.id}-hint` }, texts.join(" · "));
    const fault = h("span", { class: "fault", id: `${input.id}-fault` });
    input.setAttribute("aria-describedby", [help && help.id, fault.id].filter(Boolean).join(" "));
    if (isRequired && !isCheck) input.setAttribute("aria-required", "true");
    const name = h("label", { for: input.id }, label, isRequired && !isCheck && h("span", { class: "need", "aria-hidden": "true" }, " *"));
    this.places.set(path, { input, fault });
    return h("div", { class: `field${isCheck ? " check" : ""}${isShort ? " short" : ""}` }, isCheck ? [input, name] : [name], help, isCheck ? null : input, fault);
  }

  text(context) {
    const { schema, path, isRequired, nullable, value } = context;
    const isLong = (schema.maxLength ?? 0) > 200 || schema.format === "textarea";
    const input = isLong ? h("textarea", { rows: 4, spellcheck: false })
      : h("input", { type: schema.format === "password" ? "password" : "text", autocomplete: "off", spellcheck: false });
    if (typeof value === "string") input.value = value;
    const example = schema.examples?.[0] ?? schema.example;
    if (typeof example === "string") input.placeholder = example;
    return {
      element: this.field(context, input),
      value: () => {
        const text = input.value;
        if (text !== "") return text;
        if (!isRequired) return nothing;
        if (nullable) return null;
        if ((schema.minLength ?? 0) > 0) throw new Fault(path, "Fill this in.");
        return "";
      },
    };
  }

  number(context) {
    const { schema, path, isRequired, nullable, value, kind } = context;
    const input = h("input", { type: "text", inputmode: kind === "integer" ? "numeric" : "decimal", autocomplete: "off" });
    if (typeof value === "number") input.value = String(value);
    return {
      element: this.field(context, input, { hint: range(schema), isShort: true }),
      value: () => {
        const text = input.value.trim();
        if (text === "") {
          if (!isRequired) return nothing;
          if (nullable) return null;
          throw new Fault(path, "Fill this in.");
        }
        const number = Number(text);
        if (!Number.isFinite(number)) throw new Fault(path, "This is not a number.");
        if (kind === "integer" && !Number.isInteger(number)) throw new Fault(path, "This must be a whole number.");
        if (number < schema.minimum || number > schema.maximum || number <= schema.exclusiveMinimum || number >= schema.exclusiveMaximum) {
          throw new Fault(path, `This must be ${range(schema)}.`);
        }
        return number;
      },
    };
  }

  boolean(context) {
    const { isRequired, value } = context;
    if (context.nullable || (!isRequired && value === nothing)) {
      return this.choice({ ...context, schema: { ...context.schema, enum: [true, false] }, names: { true: "yes", false: "no" } });
    }
    const input = h("input", { type: "checkbox", checked: value === true });
    return { element: this.field(context, input, { isCheck: true }), value: () => input.checked };
  }

  choice(context) {
    const { schema, path, isRequired, value, names = {} } = context;
    const options = schema.enum;
    const shown = (option) => names[String(option)] ?? (typeof option === "string" ? option : JSON.stringify(option));
    const at = value === nothing ? -1 : options.findIndex((option) => JSON.stringify(option) === JSON.stringify(value));
    const input = h("select", {},
      (!isRequired || at < 0) && h("option", { value: "" }, isRequired ? "Choose…" : "–"),
      options.map((option, index) => h("option", { value: String(index), selected: index === at }, shown(option))));
    return {
      element: this.field(context, input, { isShort: true }),
      value: () => {
        if (input.value !== "") return options[Number(input.value)];
        if (isRequired) throw new Fault(path, "Choose one.");
        return nothing;
      },
    };
  }

  object(context, isOutermost) {
    const { schema, path, isRequired, value, label, nullable } = context;
    const given = typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
    const required = new Set(schema.required ?? []);
    const known = Object.entries(schema.properties ?? {});
    const parts = known.map(([key, inner]) => [key, this.make(inner, {
      key, path: pointer(path, key), isRequired: required.has(key), value: Object.hasOwn(given, key) ? given[key] : nothing,
    })]);
    // What the form does not know is passed on as it came.
    const rest = Object.fromEntries(Object.entries(given).filter(([key]) => !Object.hasOwn(schema.properties ?? {}, key)));
    const fields = parts.map(([, part]) => part.element);
    const areAllShort = fields.length > 4 && fields.every((field) => field.classList.contains("short"));
    const element = isOutermost
      ? h("div", {}, fields.length > 0 ? fields : h("p", { class: "muted" }, "Nothing to fill in."))
      : h("fieldset", {}, h("legend", {}, label), schema.description && h("p", { class: "hint muted" }, schema.description), h("div", { class: areAllShort ? "columns" : null }, fields));
    return {
      element,
      value: () => {
        const result = { ...rest };
        for (const [key, part] of parts) {
          const inner = part.value();
          if (inner !== nothing) result[key] = inner;
        }
        if (Object.keys(result).length === 0 && !isRequired) return isOutermost && !nullable ? {} : nothing;
        return result;
      },
    };
  }

  array(context) {
    const { schema, path, isRequired, value, label } = context;
    const list = h("div", { class: "items" });
    let items = [];
    const add = (given = nothing) => {
      const part = this.make(schema.items, { key: label, path: pointer(path, items.length), isRequired: true, value: given });
      const row = h("div", { class: "item" }, part.element,
        h("button", { class: "plain small", type: "button", "aria-label": `Remove an entry of ${label}`, onclick: () => {
          items = items.filter((item) => item !== entry);
          row.remove();
          button.focus();
        } }, "Remove"));
      const entry = { part, row };
      items.push(entry);
      list.append(row);
      return part;
    };
    const button = h("button", { class: "small", type: "button", onclick: () => {
      add().element.querySelector("input, select, textarea")?.focus();
    } }, "Add");
    const fault = h("span", { class: "fault" });
    this.places.set(path, { input: list, fault });
    for (const given of Array.isArray(value) ? value : []) add(given);
    if (isRequired) while (items.length < Math.min(schema.minItems ?? 0, 10)) add();
    return {
      element: h("fieldset", {}, h("legend", {}, label, isRequired && h("span", { class: "need", "aria-hidden": "true" }, " *")),
        schema.description && h("p", { class: "hint muted" }, schema.description), list, h("div", { class: "buttons" }, button), fault),
      value: () => {
        const values = items.map(({ part }) => part.value());
        if (values.length < (schema.minItems ?? 0) && (isRequired || values.length > 0)) {
          throw new Fault(path, `At least ${schema.minItems} must be given.`);
        }
        return values.length === 0 && !isRequired ? nothing : values;
      },
    };
  }

  /** Names and texts, as many as one likes. */
  map(context) {
    const { schema, path, isRequired, value, label } = context;
    const isSecret = schema.additionalProperties.format === "password";
    const list = h("div", { class: "items" });
    const fault = h("span", { class: "fault" });
    let pairs = [];
    const add = (key = "", text = "") => {
      const name = h("input", { value: key, placeholder: "name", "aria-label": `${label}: name`, autocomplete: "off", spellcheck: false });
      const content = h("input", {
        value: text, type: isSecret ? "password" : "text", placeholder: "value", "aria-label": `${label}: value`, autocomplete: "off", spellcheck: false,
      });
      const row = h("div", { class: "pair" }, name, content,
        h("button", { class: "plain small", type: "button", "aria-label": `Remove an entry of ${label}`, onclick: () => {
          pairs = pairs.filter((pair) => pair !== entry);
          row.remove();
          button.focus();
        } }, "Remove"));
      const entry = { name, content };
      pairs.push(entry);
      list.append(row);
      return name;
    };
    const button = h("button", { class: "small", type: "button", onclick: () => add().focus() }, "Add");
    this.places.set(path, { input: list, fault });
    for (const [key, text] of Object.entries(value === nothing || value === null ? {} : value)) add(key, String(text));
    return {
      element: h("fieldset", {}, h("legend", {}, label), schema.description && h("p", { class: "hint muted" }, schema.description),
        list, h("div", { class: "buttons" }, button), fault),
      value: () => {
        const result = {};
        for (const { name, content } of pairs) {
          if (name.value === "" && content.value === "") continue;
          if (name.value === "") throw new Fault(path, "Each needs a name.");
          if (Object.hasOwn(result, name.value)) throw new Fault(path, `${name.value} is there twice.`);
          result[name.value] = content.value;
        }
        return Object.keys(result).length === 0 && !isRequired ? nothing : result;
      },
    };
  }

  raw(context) {
    const { path, isRequired, value } = context;
    const input = h("textarea", { rows: 4, spellcheck: false, placeholder: "JSON" });
    if (value !== nothing) input.value = json(value);
    return {
      element: this.field(context, input, { hint: "any JSON value" }),
      value: () => {
        if (input.value.trim() === "") {
          if (isRequired) throw new Fault(path, "Write a JSON value, such as null.");
          return nothing;
        }
        return parse(input.value, path);
      },
    };
  }
}

function parse(text, path) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fault(path, `This is not JSON: ${error.message}`);
  }
}

/**
 * A form for a value of a schema. `read()` is the value, or undefined where something is wrong, which is shown then.
 * `showFaults` takes what the server says: a list of `{path, message}`; it gives back those that it has no place for.
 */
export function schemaForm(schema, { value = nothing, label = "Input" } = {}) {
  const body = h("div", {});
  let part = null;
  let fields = null;

  const asForm = (given) => {
    fields = new Fields(schema);
    part = fields.make(schema ?? {}, { key: null, path: "", isRequired: true, value: given });
    fill(body, part.element);
  };
  const asJSON = (given) => {
    fields = new Fields(schema);
    part = fields.raw({ schema: {}, label: "JSON", path: "", isRequired: true, value: given === nothing ? {} : given });
    fill(body, part.element);
  };

  const clear = () => {
    for (const { input, fault } of fields.places.values()) {
      input.removeAttribute("aria-invalid");
      fault.textContent = "";
    }
  };
  const showFaults = (faults) => {
    clear();
    let first = null;
    const others = faults.filter(({ path, message }) => {
      const place = fields.places.get(path) ?? (fields.places.size === 1 ? fields.places.values().next().value : null);
      if (!place) return true;
      place.fault.textContent = message;
      place.input.setAttribute("aria-invalid", "true");
      first ??= place.input;
      return false;
    });
    first?.focus();
    return others;
  };
  const read = () => {
    clear();
    try {
      const result = part.value();
      return result === nothing ? null : result;
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      showFaults([fault]);
      return undefined;
    }
  };

  const kind = plainSchema(schema ?? {}, schema).kind;
  const buttons = [["Form", asForm], ["JSON", asJSON]].map(([name, draw], at) =>
    h("button", { type: "button", "aria-pressed": String(at === 0), onclick: (event) => {
      if (event.currentTarget.getAttribute("aria-pressed") === "true") return;
      const current = read();
      if (current === undefined) return;
      for (const button of buttons) button.setAttribute("aria-pressed", String(button === event.currentTarget));
      draw(current);
    } }, name));
  if (kind === "any") asJSON(value === nothing ? schema?.default ?? nothing : value);
  else asForm(value);
  const element = h("div", {},
    h("div", { class: "head" }, h("h2", {}, label), kind !== "any" && h("div", { class: "switch", role: "group", "aria-label": "How to write it" }, buttons)),
    body);
  return { element, read, showFaults };
}
