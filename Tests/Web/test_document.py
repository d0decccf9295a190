"""The OpenAPI document: valid, and read in the same way by the page's own parser."""

import json

import jsonschema
import pytest
import yaml
from openapi_spec_validator import validate

from conftest import DOCUMENT


class Loader(yaml.SafeLoader):
    """YAML 1.2's core: times stay text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture(scope="module")
def document():
    return yaml.load(DOCUMENT.read_text(), Loader)


def test_it_is_valid(document):
    validate(document)


def test_every_operation_says_what_it_answers(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            where = f"{method.upper()} {path}"
            assert operation["operationId"] and operation["summary"] and operation["tags"], where
            assert any(status.startswith("2") for status in operation["responses"]), where
            if path.startswith("/api/"):
                assert {"401", "403", "429", "503"} <= operation["responses"].keys(), where


def test_its_examples_are_what_their_schemas_say(document):
    registry = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": document["components"]}
    seen = 0

    def check(value, schema, where):
        nonlocal seen
        seen += 1
        validator = jsonschema.Draft202012Validator({**registry, **schema})
        errors = [f"{where}: {error.message} at {error.json_path}" for error in validator.iter_errors(value)]
        assert not errors, errors

    def walk(node, where):
        if isinstance(node, list):
            for index, item in enumerate(node):
                walk(item, f"{where}/{index}")
        elif isinstance(node, dict):
            if isinstance(node.get("schema"), dict):
                if "example" in node:
                    check(node["example"], node["schema"], where)
                for name, example in node.get("examples", {}).items():
                    check(example["value"], node["schema"], f"{where}/{name}")
            for key, value in node.items():
                walk(value, f"{where}/{key}")

    walk(document["paths"], "paths")
    walk(document["components"]["responses"], "responses")
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", []) if isinstance(schema, dict) else []:
            check(example, schema, name)
    assert seen > 30


def test_the_page_reads_it_as_any_parser_does(document, page):
    page.goto("/docs")
    own = page.evaluate(
        "import('/web/yaml.js').then(async (module) =>"
        " JSON.stringify(module.parseYAML(await (await fetch('/openapi.yaml')).text())))")
    assert json.loads(own) == json.loads(json.dumps(document))


@pytest.mark.parametrize("text", ["a: &x 1", "a: [1, 2", "a: {b: 1}}", "a: >\n  b", " - a\nb: 1", "a: 'b'", "a:\n    b: 1\n  c: 2"])
def test_what_the_page_does_not_read_it_refuses(page, text):
    page.goto("/docs")
    assert page.evaluate(
        "(text) => import('/web/yaml.js').then((module) => { try { return [module.parseYAML(text)]; } catch (error) { return null; } })",
        text) is None


def test_the_reference_page_tells_of_every_operation(document, page):
    page.goto("/docs")
    page.get_by_role("heading", name="Run an agent", exact=True).wait_for()
    for item in document["paths"].values():
        for method, operation in item.items():
            if method != "parameters":
                assert page.locator(f"#{operation['operationId']} h3").count() == 1, operation["operationId"]
    for name in document["components"]["schemas"]:
        assert page.locator(f"[id='schema-{name}']").count() == 1 or name == "AnyJSON", name
    # Every link within the page leads somewhere.
    broken = page.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map((link) => link.getAttribute('href').slice(1))"
        ".filter((id) => !document.getElementById(id))")
    assert broken == []
