#include "json_schema.h"

// Without it valijson aborts the whole process at a malformed schema.
#define VALIJSON_USE_EXCEPTIONS 1

#include <nlohmann/json.hpp>

#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <exception>
#include <memory>
#include <string>
#include <vector>

using Adapter = valijson::adapters::NlohmannJsonAdapter;

struct paddock_json_schema {
    valijson::Schema schema;
};

namespace {

/// A schema that needs another document would fetch it: nothing of a stranger's makes us fetch.
const nlohmann::json *refuse_remote(const std::string &) { return nullptr; }

void release(const nlohmann::json *document) { delete document; }

/// The violation's place as a JSON pointer, from valijson's list of `<root>`, `[name]`, `[3]`.
std::string pointer(const std::vector<std::string> &steps) {
    std::string path;
    for (const auto &step : steps) {
        if (step.size() > 2 && step.front() == '[') path += "/" + step.substr(1, step.size() - 2);
    }
    return path;
}

}  // namespace

paddock_json_schema *paddock_json_schema_compile(
    const char *text, size_t length, paddock_json_schema_report report, void *context
) {
    try {
        const auto document = nlohmann::json::parse(text, text + length);
        auto compiled = std::make_unique<paddock_json_schema>();
        valijson::SchemaParser parser;
        parser.populateSchema(Adapter(document), compiled->schema, refuse_remote, release);
        return compiled.release();
    } catch (const std::exception &error) {
        report("", error.what(), context);
        return nullptr;
    }
}

int paddock_json_schema_validate(
    const paddock_json_schema *schema, const char *text, size_t length,
    paddock_json_schema_report report, void *context
) {
    try {
        const auto document = nlohmann::json::parse(text, text + length);
        valijson::Validator validator(valijson::Validator::kStrongTypes);
        valijson::ValidationResults results;
        if (validator.validate(schema->schema, Adapter(document), &results)) return 1;
        valijson::ValidationResults::Error error;
        while (results.popError(error)) {
            report(pointer(error.context).c_str(), error.description.c_str(), context);
        }
        return 0;
    } catch (const std::exception &error) {
        report("", error.what(), context);
        return -1;
    }
}

void paddock_json_schema_free(paddock_json_schema *schema) { delete schema; }
