#pragma once

#include <microhttpd.h>

#include <condition_variable>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace katameter::host::testing {

/// An API server, or kubelet, on a port of its own that gives the prepared answers by path; one without is 404. With TLS
/// if there is a certificate.
class FakeApiServer {
 public:
  struct Request {
    std::string path;  // with its query
    std::string authorization;
  };

  explicit FakeApiServer(const std::string& certificate_file = "", const std::string& key_file = "") {
    const std::string certificate = text_of(certificate_file);
    const std::string key = text_of(key_file);
    std::vector<MHD_OptionItem> options;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ERROR_LOG;
    if (!certificate.empty()) {
      flags |= MHD_USE_TLS;
      options.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, const_cast<char*>(certificate.c_str())});
      options.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, const_cast<char*>(key.c_str())});
    }
    // What a client breaks off is a test's intention.
    options.push_back({MHD_OPTION_EXTERNAL_LOGGER, reinterpret_cast<std::intptr_t>(&ignore), nullptr});
    options.push_back({MHD_OPTION_END, 0, nullptr});
    daemon_ = MHD_start_daemon(flags, 0, nullptr, nullptr, &answer_to, this, MHD_OPTION_ARRAY, options.data(),
                               MHD_OPTION_END);
    if (daemon_ == nullptr) throw std::runtime_error("the API server does not start");
  }
  FakeApiServer(const FakeApiServer&) = delete;
  FakeApiServer& operator=(const FakeApiServer&) = delete;
  ~FakeApiServer() {
    hang(false);
    MHD_stop_daemon(daemon_);
  }

  std::string port() const { return std::to_string(MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_BIND_PORT)->port); }
  /// `path`: without its query.
  void answers(const std::string& path, std::string body, unsigned status = 200) {
    const std::lock_guard lock(mutex_);
    answers_[path] = {status, std::move(body)};
  }
  /// Whether it answers no more, or again.
  void hang(bool hangs) {
    {
      const std::lock_guard lock(mutex_);
      hangs_ = hangs;
    }
    changed_.notify_all();
  }
  std::vector<Request> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  struct Answer {
    unsigned status = 404;
    std::string body;
  };

  static std::string text_of(const std::string& file) {
    std::stringstream text;
    if (!file.empty()) text << std::ifstream(file).rdbuf();
    return text.str();
  }
  static void ignore(void*, const char*, va_list) {}

  static MHD_Result add_query(void* path, MHD_ValueKind, const char* key, const char* value) {
    auto& text = *static_cast<std::string*>(path);
    text +=
        (text.find('?') == std::string::npos ? "?" : "&") + std::string(key) + "=" + (value != nullptr ? value : "");
    return MHD_YES;
  }

  static MHD_Result answer_to(void* self, MHD_Connection* connection, const char* path, const char*, const char*,
                              const char*, std::size_t*, void**) {
    auto& server = *static_cast<FakeApiServer*>(self);
    Request request{path, {}};
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &add_query, &request.path);
    const char* authorization = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    if (authorization != nullptr) request.authorization = authorization;
    std::unique_lock lock(server.mutex_);
    server.requests_.push_back(std::move(request));
    server.changed_.wait(lock, [&] { return !server.hangs_; });
    const auto found = server.answers_.find(path);
    const Answer answer = found != server.answers_.end() ? found->second : Answer();
    lock.unlock();
    MHD_Response* response = MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()),
                                                             MHD_RESPMEM_MUST_COPY);
    const MHD_Result queued = MHD_queue_response(connection, answer.status, response);
    MHD_destroy_response(response);
    return queued;
  }

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::map<std::string, Answer> answers_;
  std::vector<Request> requests_;
  bool hangs_ = false;
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace katameter::host::testing
