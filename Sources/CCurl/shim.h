#pragma once
// Typed inline wrappers around libcurl's variadic calls, which Swift cannot import.

#include <curl/curl.h>

static inline CURLcode paddock_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode paddock_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode paddock_curl_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode paddock_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode paddock_curl_set_headers(CURL *handle, struct curl_slist *headers) {
    return curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
}

typedef size_t (*paddock_curl_data_callback)(char *buffer, size_t size, size_t count, void *context);

static inline CURLcode paddock_curl_set_data_callback(
    CURL *handle, CURLoption option, paddock_curl_data_callback callback
) {
    return curl_easy_setopt(handle, option, callback);
}

static inline CURLcode paddock_curl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLcode paddock_curl_get_socket(CURL *handle, curl_socket_t *value) {
    return curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, value);
}

static inline CURLcode paddock_curl_get_private(CURL *handle, void **value) {
    return curl_easy_getinfo(handle, CURLINFO_PRIVATE, value);
}

static inline CURLMcode paddock_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

// The result of a message, which Swift sees as an opaque union.
static inline CURLcode paddock_curl_message_result(const CURLMsg *message) {
    return message->data.result;
}

static inline CURLcode paddock_curl_set_list(CURL *handle, CURLoption option, struct curl_slist *list) {
    return curl_easy_setopt(handle, option, list);
}

// The option is deprecated since 7.85, and what replaces it is not in 7.81 (Ubuntu 22.04).
static inline void paddock_curl_allow_http_only(CURL *handle) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#pragma GCC diagnostic pop
}
