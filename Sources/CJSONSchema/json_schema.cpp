#include "json_schema.h"

// Without it valijson aborts the whole process at a malformed schema.
#define VALIJSON_USE_EXCEPTIONS 1

#include <nlohmann/json.hpp>

#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <exception>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using Adapter = valijson::adapters::NlohmannJsonAdapter;

namespace {

/// Patterns are matched by recursion, a frame for each character.
constexpr size_t stack_size = 256 << 20;
/// Beside what the process has already, and the stack.
constexpr rlim_t memory_limit = rlim_t(1) << 30;
constexpr int most_violations = 20;
constexpr size_t most_reported_bytes = 64 << 10;

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

/// What the child is to do, and the pipe for what it finds: `PATH NUL MESSAGE NUL` for each violation.
struct Check {
    const char *schema;
    size_t schema_length;
    const char *document;
    size_t document_length;
    int out;

    void report(const std::string &path, const std::string &message) const {
        const auto text = path.substr(0, 1000) + '\0' + message.substr(0, 1000) + '\0';
        for (size_t sent = 0; sent < text.size();) {
            const ssize_t count = write(out, text.data() + sent, text.size() - sent);
            if (count < 0 && errno != EINTR) return;
            if (count > 0) sent += size_t(count);
        }
    }

    paddock_schema_verdict verdict() const {
        valijson::Schema compiled;
        try {
            const auto parsed = nlohmann::json::parse(schema, schema + schema_length);
            valijson::SchemaParser parser;
            parser.populateSchema(Adapter(parsed), compiled, refuse_remote, release);
        } catch (const std::exception &error) {
            report("", error.what());
            return PADDOCK_SCHEMA_BAD_SCHEMA;
        }
        if (!document) return PADDOCK_SCHEMA_VALID;
        nlohmann::json parsed;
        try {
            parsed = nlohmann::json::parse(document, document + document_length);
        } catch (const std::exception &error) {
            report("", error.what());
            return PADDOCK_SCHEMA_BAD_DOCUMENT;
        }
        try {
            return judge(compiled, parsed);
        } catch (const std::exception &error) {
            // A pattern is compiled when it is first used.
            report("", error.what());
            return PADDOCK_SCHEMA_BAD_SCHEMA;
        }
    }

    paddock_schema_verdict judge(const valijson::Schema &compiled, const nlohmann::json &parsed) const {
        valijson::Validator validator(valijson::Validator::kStrongTypes);
        valijson::ValidationResults results;
        if (validator.validate(compiled, Adapter(parsed), &results)) return PADDOCK_SCHEMA_VALID;
        valijson::ValidationResults::Error error;
        for (int count = 0; count < most_violations && results.popError(error); count++) {
            report(pointer(error.context), error.description);
        }
        return PADDOCK_SCHEMA_VIOLATED;
    }
};

void *run_check(void *context) { _exit(static_cast<Check *>(context)->verdict()); }

/// Bytes of data and stack that this process has; proc_pid_statm(5).
rlim_t present_memory() {
    unsigned long size, resident, shared, text, library, data = 0;
    if (FILE *file = fopen("/proc/self/statm", "re")) {
        if (fscanf(file, "%lu %lu %lu %lu %lu %lu", &size, &resident, &shared, &text, &library, &data) != 6) data = 0;
        fclose(file);
    }
    return rlim_t(data) * rlim_t(sysconf(_SC_PAGESIZE));
}

/// A connection of the runner's ends when the runner closes it, whatever is being checked meanwhile.
void close_all_but(int descriptor) {
    if (descriptor > 3) close_range(3, unsigned(descriptor) - 1, 0);
    close_range(unsigned(descriptor) + 1, ~0U, 0);
}

/// The child of a fork: nothing runs in it but the check, on a stack of its own, within limits.
[[noreturn]] void become_checker(Check &check, unsigned seconds) {
    for (const int number : {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGXCPU, SIGTERM, SIGINT, SIGHUP}) {
        signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, nullptr);
    close_all_but(check.out);
    const rlim_t most = present_memory() + stack_size + memory_limit;
    const rlimit no_core = {0, 0}, processor = {seconds, seconds}, memory = {most, most};
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_CPU, &processor);
    setrlimit(RLIMIT_DATA, &memory);
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_size);
    if (pthread_create(&thread, &attributes, run_check, &check) == 0) pthread_join(thread, nullptr);
    _exit(PADDOCK_SCHEMA_TOO_EXPENSIVE);
}

long now_ms() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/// Reads until the child has closed the pipe; false when the time is over first.
bool read_all(int in, long deadline_ms, std::string &text) {
    char buffer[4096];
    while (true) {
        const long left = deadline_ms - now_ms();
        pollfd ready = {in, POLLIN, 0};
        if (left <= 0) return false;
        if (poll(&ready, 1, int(left)) <= 0) continue;
        const ssize_t count = read(in, buffer, sizeof buffer);
        if (count == 0) return true;
        if (count > 0 && text.size() < most_reported_bytes) text.append(buffer, size_t(count));
    }
}

void pass_on(const std::string &text, paddock_schema_report report, void *context) {
    for (size_t start = 0; start < text.size();) {
        const size_t middle = text.find('\0', start);
        const size_t end = middle == std::string::npos ? middle : text.find('\0', middle + 1);
        if (end == std::string::npos) return;
        report(text.c_str() + start, text.c_str() + middle + 1, context);
        start = end + 1;
    }
}

}  // namespace

paddock_schema_verdict paddock_schema_check(
    const char *schema, size_t schema_length, const char *document, size_t document_length, unsigned seconds,
    paddock_schema_report report, void *context
) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return PADDOCK_SCHEMA_TOO_EXPENSIVE;
    Check check = {schema, schema_length, document, document_length, ends[1]};
    const pid_t child = fork();
    if (child == 0) become_checker(check, seconds);
    close(ends[1]);
    std::string text;
    const bool is_whole = child > 0 && read_all(ends[0], now_ms() + seconds * 1000L + 1000, text);
    close(ends[0]);
    if (child < 0) return PADDOCK_SCHEMA_TOO_EXPENSIVE;
    if (!is_whole) kill(child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (!is_whole || !WIFEXITED(status) || WEXITSTATUS(status) > PADDOCK_SCHEMA_TOO_EXPENSIVE) {
        return PADDOCK_SCHEMA_TOO_EXPENSIVE;
    }
    const auto verdict = paddock_schema_verdict(WEXITSTATUS(status));
    if (verdict != PADDOCK_SCHEMA_TOO_EXPENSIVE) pass_on(text, report, context);
    return verdict;
}
