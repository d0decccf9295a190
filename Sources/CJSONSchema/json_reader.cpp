#include "json_reader.h"

#include <nlohmann/json.hpp>

#include <cstring>
#include <exception>
#include <string>

namespace {

/// Passes nlohmann's events on.
struct Events : nlohmann::json_sax<nlohmann::json> {
    const paddock_json_handler &handler;
    void *context;

    Events(const paddock_json_handler &handler, void *context) : handler(handler), context(context) {}

    bool null() override { return handler.null_value(context); }
    bool boolean(bool value) override { return handler.boolean(value, context); }
    bool number_integer(std::int64_t value) override { return handler.integer(value, context); }
    bool number_unsigned(std::uint64_t value) override {
        return value <= INT64_MAX ? handler.integer(std::int64_t(value), context)
                                  : handler.number(double(value), context);
    }
    bool number_float(double value, const std::string &) override { return handler.number(value, context); }
    bool string(std::string &value) override { return handler.string(value.data(), value.size(), context); }
    bool binary(nlohmann::json::binary_t &) override { return false; }
    bool key(std::string &value) override { return handler.key(value.data(), value.size(), context); }
    bool start_object(std::size_t) override { return handler.begin(true, context); }
    bool end_object() override { return handler.end(context); }
    bool start_array(std::size_t) override { return handler.begin(false, context); }
    bool end_array() override { return handler.end(context); }
    bool parse_error(std::size_t, const std::string &, const nlohmann::json::exception &) override { return false; }
};

}  // namespace

bool paddock_json_read(const char *text, size_t length, const paddock_json_handler *handler, void *context) {
    // nlohmann passes over a byte order mark, which RFC 8259 does not allow.
    if (length >= 3 && std::memcmp(text, "\xEF\xBB\xBF", 3) == 0) return false;
    // And takes a NUL for the end.
    if (length > 0 && std::memchr(text, 0, length)) return false;
    try {
        Events events(*handler, context);
        return nlohmann::json::sax_parse(text, text + length, &events);
    } catch (const std::exception &) {
        return false;
    }
}
