#include "host-probe/http/server.h"

#include <microhttpd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "host-probe/http/basic_auth.h"
#include "host-probe/http/daemon.h"
#include "host-probe/http/listener.h"
#include "host-probe/http/pages.h"
#include "host-probe/http/tls.h"
#include "host-probe/own_metrics/own_metrics.h"
#include "userspace/log.h"
#include "userspace/token_bucket.h"

namespace katameter::host::http {
namespace {

// Nothing from elsewhere, nothing inline: a name that got into the page as markup could still do nothing.
constexpr const char* policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

// Whether the value of Accept-Encoding allows gzip: named, and not with a weight of 0.
bool takes_gzip(const char* header) {
  if (header == nullptr) return false;
  std::string_view rest = header;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    std::string item;
    for (const char c : rest.substr(0, comma)) {
      if (c != ' ' && c != '\t') item += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (item == "gzip") return true;
    if (item.starts_with("gzip;q=")) return item.find_first_not_of("0.", 7) != std::string::npos;
  }
  return false;
}

struct FreeText {
  void operator()(char* text) const { MHD_free(text); }
};
using Text = std::unique_ptr<char, FreeText>;

}  // namespace

class Server::Implementation {
 public:
  Implementation(EventLoop& loop, TimerQueue& timers, const Options& options, Collect collect,
                 std::vector<ReportPage> pages)
      : loop_(loop),
        timers_(timers),
        collect_(std::move(collect)),
        report_pages_(std::move(pages)),
        pages_(options.telemetry_path),
        config_file_(options.config_file) {}
  Implementation(const Implementation&) = delete;
  Implementation& operator=(const Implementation&) = delete;
  ~Implementation();

  Status open(const Options& options);
  Status reload(const std::string& config_file);
  void set_ready() { pages_.set_ready(); }
  const std::string& urls() const { return urls_; }

 private:
  struct Connection {
    int socket = -1;
    MHD_Connection* handle = nullptr;
    std::shared_ptr<const TlsContext> tls;  // of its session, which ends before this
    unsigned requests = 0;                  // under way
    bool closing = false;
    std::list<Connection>::iterator self;
  };

  // One request, from its headers to the end of its answer.
  struct Request {
    enum class Stage { begun, password, report };
    Connection* connection = nullptr;
    std::string path;
    const ReportPage* page = nullptr;  // that is asked for
    bool head = false;
    Stage stage = Stage::begun;
    bool suspended = false;
    bool password_right = false;
    bool has_report = false;
    Report report;
    TimerQueue::Timer deadline;
  };

  void take(LoadedConfig loaded, const std::string& config_file);
  void reload_if_changed();
  Result<Daemon*> daemon_for_new();

  void accept_from(Listener& listener);
  void pause(Listener& listener);
  bool make_room();
  static void shut(Connection& connection);

  MHD_Result answer(MHD_Connection* handle, const char* url, const char* method, void** context);
  MHD_Result go_on(const std::shared_ptr<Request>& request, MHD_Connection* handle);
  MHD_Result find_page(const std::shared_ptr<Request>& request, MHD_Connection* handle);
  MHD_Result ask_password(const std::shared_ptr<Request>& request, MHD_Connection* handle);
  MHD_Result ask_report(const std::shared_ptr<Request>& request, MHD_Connection* handle);
  MHD_Result send_report(Request& request, MHD_Connection* handle);
  void answered(Request& request, Report report);
  void suspend(Request& request, MHD_Connection* handle);
  void resume(Request& request);
  void run_daemons();

  using Headers = std::initializer_list<std::pair<const char*, const char*>>;
  MHD_Result send_text(MHD_Connection* handle, const char* handler, int status, std::string_view text,
                       const Headers& headers = {});
  MHD_Result send(MHD_Connection* handle, const char* handler, int status, MHD_Response* response, const char* type,
                  const Headers& headers);

  void started(MHD_Connection* handle, void** context);
  void closed(void** context);
  void completed(void** context);

  EventLoop& loop_;
  TimerQueue& timers_;
  Collect collect_;
  const std::vector<ReportPage> report_pages_;
  Pages pages_;
  std::string urls_;

  std::string config_file_;
  FileStamps files_;
  WebConfig config_;
  std::shared_ptr<const TlsContext> tls_;  // of new connections
  std::optional<TokenBucket> limit_;
  BasicAuth auth_;

  std::vector<Listener> listeners_;
  std::map<int, TimerQueue::Timer> paused_;  // by a listener's socket
  std::list<Connection> connections_;        // the longest without a request first
  std::map<Request*, std::shared_ptr<Request>> requests_;
  bool stopping_ = false;
  std::unique_ptr<Resumer> resumer_;
  std::optional<Bodies> bodies_;
  std::unique_ptr<Daemon> plain_daemon_;
  std::unique_ptr<Daemon> tls_daemon_;
};

Server::Implementation::~Implementation() {
  for (const Listener& listener : listeners_) loop_.unwatch(listener.socket);
  stopping_ = true;
  // libmicrohttpd may stop only when no connection is suspended. A request that continues from here is refused.
  if (bodies_) bodies_->close();
  auth_.stop();
  for (const auto& [key, request] : requests_) resume(*request);
  if (resumer_) resumer_->run();
  plain_daemon_.reset();
  tls_daemon_.reset();
}

Status Server::Implementation::open(const Options& options) {
  auto loaded = load_web_config(options.config_file);
  if (!loaded) return failure_from(std::move(loaded.error()));
  auto listeners = options.systemd_socket ? listeners_of_systemd() : listen_on(options.listen_addresses);
  if (!listeners) return failure_from(std::move(listeners.error()));
  if (!options.systemd_socket && sockets_of_systemd() > 0) {
    log_warning("systemd has passed sockets that are not used: give --web.systemd-socket to serve on them");
  }
  take(std::move(*loaded), options.config_file);
  listeners_ = std::move(*listeners);
  for (const Listener& listener : listeners_) {
    if (!urls_.empty()) urls_ += ' ';
    urls_ += (tls_ ? "https://" : "http://") + listener.name + options.telemetry_path;
  }
  auto resumer = Resumer::create(loop_, [this] { run_daemons(); });
  if (!resumer) return failure_from(std::move(resumer.error()));
  resumer_ = std::move(*resumer);
  bodies_.emplace(*resumer_);
  if (auto daemon = daemon_for_new(); !daemon) return failure_from(std::move(daemon.error()));
  for (Listener& listener : listeners_) {
    Status watched = loop_.watch(listener.socket, EPOLLIN, [this, &listener](std::uint32_t) { accept_from(listener); });
    if (!watched) return watched;
  }
  return {};
}

// ---- configuration

void Server::Implementation::take(LoadedConfig loaded, const std::string& config_file) {
  config_ = std::move(loaded.config);
  tls_ = std::move(loaded.tls);
  config_file_ = config_file;
  limit_.reset();
  if (config_.rate_limit) limit_.emplace(config_.rate_limit->burst, 1 / config_.rate_limit->interval.count());
  auth_.replace_users(config_.users);
  files_ = std::move(loaded.files);
}

Status Server::Implementation::reload(const std::string& config_file) {
  auto loaded = load_web_config(config_file);
  if (!loaded) return failure_from(std::move(loaded.error()));
  if (auth_.needed() && loaded->config.users.empty()) {
    return failure("basic_auth_users is empty, a reload would turn authentication off: restart to apply");
  }
  if (tls_ && !loaded->tls) {
    return failure("tls_server_config is missing, a reload would turn TLS off: restart to apply");
  }
  const bool begins_tls = !tls_ && loaded->tls;
  take(std::move(*loaded), config_file);
  if (!begins_tls) return {};
  for (std::size_t at = 0; (at = urls_.find("http://", at)) != std::string::npos;) urls_.replace(at, 7, "https://");
  // From here on every answer is by TLS.
  for (Connection& connection : connections_) {
    if (!connection.tls) shut(connection);
  }
  return {};
}

// Certificates are renewed, and Secrets of Kubernetes replaced, without a signal.
void Server::Implementation::reload_if_changed() {
  if (!files_.changed()) return;
  const Status reloaded = reload(config_file_);
  OwnMetrics::of_process().count_reload(reloaded.has_value());
  if (reloaded) {
    log_info("web configuration and certificates read again: files have changed");
  } else {
    log_error("web configuration not reloaded; keeping the previous one", {{"error", reloaded.error().text}});
  }
}

Result<Daemon*> Server::Implementation::daemon_for_new() {
  std::unique_ptr<Daemon>& daemon = tls_ ? tls_daemon_ : plain_daemon_;
  if (daemon) return daemon.get();
  DaemonCallbacks callbacks;
  callbacks.self = this;
  callbacks.answer = [](void* cls, MHD_Connection* handle, const char* url, const char* method, const char*,
                        const char*, std::size_t* upload_size, void** context) {
    if (std::exchange(*upload_size, 0) != 0) return MHD_YES;  // a body that does not matter
    return static_cast<Implementation*>(cls)->answer(handle, url, method, context);
  };
  callbacks.completed = [](void* cls, MHD_Connection*, void** context, MHD_RequestTerminationCode) {
    static_cast<Implementation*>(cls)->completed(context);
  };
  callbacks.connection = [](void* cls, MHD_Connection* handle, void** context, MHD_ConnectionNotificationCode code) {
    auto* server = static_cast<Implementation*>(cls);
    code == MHD_CONNECTION_NOTIFY_STARTED ? server->started(handle, context) : server->closed(context);
  };
  auto made = Daemon::create(loop_, timers_, tls_ != nullptr, callbacks);
  if (!made) return failure_from(std::move(made.error()));
  daemon = std::move(*made);
  return daemon.get();
}

// ---- connections

void Server::Implementation::accept_from(Listener& listener) {
  constexpr int max_at_once = 64;
  reload_if_changed();
  const auto daemon = daemon_for_new();
  if (!daemon) {
    log_error("connections are not accepted", {{"error", daemon.error().text}});
    return pause(listener);
  }
  for (int i = 0; i < max_at_once; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    Fd socket(accept4(listener.socket.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
      const bool full = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      if (full && !make_room()) pause(listener);
      break;
    }
    if (connections_.size() >= max_connections) static_cast<void>(make_room());
    static_cast<void>((*daemon)->add(std::move(socket), reinterpret_cast<const sockaddr*>(&peer), size));
  }
  (*daemon)->run();
}

// A socket that cannot be accepted from would wake the loop over and over.
void Server::Implementation::pause(Listener& listener) {
  static_cast<void>(loop_.rewatch(listener.socket, 0));
  paused_[listener.socket.get()] = timers_.after(
      std::chrono::seconds(1), [this, &listener] { static_cast<void>(loop_.rewatch(listener.socket, EPOLLIN)); });
}

// The connection that has been idle longest, else the first of those with a request; false if all are being closed.
bool Server::Implementation::make_room() {
  const auto usable = [](const Connection& connection) { return !connection.closing; };
  auto chosen = std::ranges::find_if(
      connections_, [&](const Connection& connection) { return usable(connection) && connection.requests == 0; });
  if (chosen == connections_.end()) chosen = std::ranges::find_if(connections_, usable);
  if (chosen == connections_.end()) return false;
  log_debug("closing an HTTP connection to make room", {{"connections", connections_.size()}});
  shut(*chosen);
  return true;
}

void Server::Implementation::shut(Connection& connection) {
  connection.closing = true;
  shutdown(connection.socket, SHUT_RDWR);  // libmicrohttpd sees the end, and closes it
}

void Server::Implementation::started(MHD_Connection* handle, void** context) {
  Connection& connection = connections_.emplace_back();
  connection.self = std::prev(connections_.end());
  connection.handle = handle;
  *context = &connection;
  if (const auto* info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)) {
    connection.socket = info->connect_fd;
  }
  OwnMetrics::of_process().set_http_connections(connections_.size());
  const auto* session = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  if (session == nullptr || session->tls_session == nullptr) return;
  connection.tls = tls_;
  if (!tls_->attach(static_cast<gnutls_session_t>(session->tls_session))) shut(connection);
}

void Server::Implementation::closed(void** context) {
  auto* connection = static_cast<Connection*>(*context);
  if (connection == nullptr) return;
  *context = nullptr;
  connections_.erase(connection->self);
  OwnMetrics::of_process().set_http_connections(connections_.size());
}

// ---- requests

MHD_Result Server::Implementation::answer(MHD_Connection* handle, const char* url, const char* method, void** context) {
  if (stopping_) return MHD_NO;
  if (*context != nullptr) {
    const auto found = requests_.find(static_cast<Request*>(*context));
    return found == requests_.end() ? MHD_NO : go_on(found->second, handle);
  }
  auto request = std::make_shared<Request>();
  const auto* info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  request->connection = static_cast<Connection*>(info->socket_context);
  ++request->connection->requests;
  request->path = url;
  request->head = std::string_view(method) == "HEAD";
  *context = request.get();
  requests_[request.get()] = request;
  if (request->head || std::string_view(method) == "GET") return MHD_YES;  // and again when the request is complete
  return send_text(handle, "other", 405, "This can be read only: GET or HEAD.\n", {{"Allow", "GET, HEAD"}});
}

void Server::Implementation::completed(void** context) {
  const auto found = requests_.find(static_cast<Request*>(*context));
  if (found == requests_.end()) return;
  Connection& connection = *found->second->connection;
  --connection.requests;
  connections_.splice(connections_.end(), connections_, connection.self);
  requests_.erase(found);
  *context = nullptr;
}

MHD_Result Server::Implementation::go_on(const std::shared_ptr<Request>& request, MHD_Connection* handle) {
  request->suspended = false;
  switch (request->stage) {
    case Request::Stage::begun: return find_page(request, handle);
    case Request::Stage::password:
      if (request->password_right) return ask_report(request, handle);
      return send_text(handle, request->page->path.c_str(), 401, "User and password are needed.\n",
                       {{"WWW-Authenticate", "Basic realm=\"katameter\", charset=\"UTF-8\""}});
    case Request::Stage::report: return send_report(*request, handle);
  }
  return MHD_NO;
}

MHD_Result Server::Implementation::find_page(const std::shared_ptr<Request>& request, MHD_Connection* handle) {
  const std::string_view path = request->path;
  const auto page = std::ranges::find(report_pages_, path, &ReportPage::path);
  const auto fixed = page == report_pages_.end() ? pages_.find(path) : std::nullopt;
  if (page == report_pages_.end() && !fixed) return send_text(handle, "other", 404, "Not found.\n");
  // Probes of kubelet are never refused: the pod would be restarted.
  const bool is_probe = path.starts_with("/-/");
  if (!is_probe && limit_ && !limit_->take(1, TimerQueue::Clock::now())) {
    return send_text(handle, fixed ? fixed->handler : page->path.c_str(), 429, "Too many requests: see rate_limit.\n",
                     {{"Retry-After", "1"}});
  }
  if (fixed) {
    MHD_Response* response = MHD_create_response_from_buffer(fixed->text.size(), const_cast<char*>(fixed->text.data()),
                                                             MHD_RESPMEM_PERSISTENT);  // it only reads
    return send(handle, fixed->handler, fixed->status, response, fixed->type, {{"Content-Security-Policy", policy}});
  }
  request->page = &*page;
  return auth_.needed() ? ask_password(request, handle) : ask_report(request, handle);
}

MHD_Result Server::Implementation::ask_password(const std::shared_ptr<Request>& request, MHD_Connection* handle) {
  char* given_password = nullptr;
  const Text user(MHD_basic_auth_get_username_password(handle, &given_password));
  const Text password(given_password);
  request->stage = Request::Stage::password;
  if (!user || !password) return go_on(request, handle);
  if (auth_.remembers(user.get(), password.get())) return ask_report(request, handle);
  if (auth_.is_full()) {
    return send_text(handle, request->page->path.c_str(), 503, "Too many passwords to check.\n",
                     {{"Retry-After", "1"}});
  }
  // The thread may be done before this returns, and can only resume what is suspended. Until it is resumed, the
  // connection and the request stay.
  suspend(*request, handle);
  auth_.check(user.get(), password.get(), [this, raw = request.get(), handle](bool right) {
    raw->password_right = right;
    resumer_->resume(handle);
  });
  return MHD_YES;
}

MHD_Result Server::Implementation::ask_report(const std::shared_ptr<Request>& request, MHD_Connection* handle) {
  request->stage = Request::Stage::report;
  if (request->head) return send_report(*request, handle);
  collect_([this, weak = std::weak_ptr(request)](const Report& report) {
    if (const auto waiting = weak.lock()) answered(*waiting, report);
  });
  if (request->has_report) return send_report(*request, handle);
  suspend(*request, handle);
  request->deadline = timers_.after(report_deadline, [this, weak = std::weak_ptr(request)] {
    if (const auto waiting = weak.lock()) answered(*waiting, nullptr);
  });
  return MHD_YES;
}

// A report that comes after the deadline is dropped.
void Server::Implementation::answered(Request& request, Report report) {
  if (std::exchange(request.has_report, true)) return;
  request.report = std::move(report);
  request.deadline.cancel();
  resume(request);
}

void Server::Implementation::suspend(Request& request, MHD_Connection* handle) {
  request.suspended = true;
  MHD_suspend_connection(handle);
}

void Server::Implementation::resume(Request& request) {
  if (std::exchange(request.suspended, false)) resumer_->resume(request.connection->handle);
}

void Server::Implementation::run_daemons() {
  for (Daemon* daemon : {plain_daemon_.get(), tls_daemon_.get()}) {
    if (daemon != nullptr) daemon->run();
  }
}

MHD_Result Server::Implementation::send_report(Request& request, MHD_Connection* handle) {
  const ReportPage& page = *request.page;
  const bool gzip = takes_gzip(MHD_lookup_connection_value(handle, MHD_HEADER_KIND, "Accept-Encoding"));
  const int status = request.report || request.head ? 200 : page.status_without_report;
  MHD_Response* response = nullptr;
  if (request.head) {
    // One of unknown size would end with a last chunk, in an answer to HEAD as well.
    response = MHD_create_response_from_buffer(0, nullptr, MHD_RESPMEM_PERSISTENT);
  } else {
    response = bodies_->start(
        handle, gzip, [&page, report = std::move(request.report)](const Send& put) { return page.write(report, put); });
    if (response == nullptr) {
      return send_text(handle, page.path.c_str(), 503, "Too many scrapes at a time.\n", {{"Retry-After", "1"}});
    }
  }
  const char* path = page.path.c_str();
  if (!gzip) return send(handle, path, status, response, page.type.c_str(), {{"Vary", "Accept-Encoding"}});
  return send(handle, path, status, response, page.type.c_str(),
              {{"Vary", "Accept-Encoding"}, {"Content-Encoding", "gzip"}});
}

MHD_Result Server::Implementation::send_text(MHD_Connection* handle, const char* handler, int status,
                                             std::string_view text, const Headers& headers) {
  MHD_Response* response = MHD_create_response_from_buffer(text.size(), const_cast<char*>(text.data()),
                                                           MHD_RESPMEM_PERSISTENT);  // a literal, and only read
  return send(handle, handler, status, response, "text/plain", headers);
}

MHD_Result Server::Implementation::send(MHD_Connection* handle, const char* handler, int status, MHD_Response* response,
                                        const char* type, const Headers& headers) {
  if (response == nullptr) return MHD_NO;  // no memory
  const bool has_charset =
      std::string_view(type).find(';') != std::string_view::npos || std::string_view(type) == "application/json";
  const std::string full_type = has_charset ? type : std::string(type) + "; charset=utf-8";
  std::map<std::string, std::string> all{{"Content-Type", full_type},
                                         {"X-Content-Type-Options", "nosniff"},
                                         {"Cache-Control", "no-store"},
                                         {"Referrer-Policy", "no-referrer"}};
  for (const auto& [name, value] : headers) all[name] = value;
  for (const auto& [name, value] : config_.headers) all[name] = value;
  for (const auto& [name, value] : all) MHD_add_response_header(response, name.c_str(), value.c_str());
  OwnMetrics::of_process().count_http_request(handler, status);
  const MHD_Result queued = MHD_queue_response(handle, static_cast<unsigned>(status), response);
  MHD_destroy_response(response);
  return queued;
}

// ---- Server

Server::Server(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::create(EventLoop& loop, TimerQueue& timers, const Options& options,
                                               Collect collect, std::vector<ReportPage> pages) {
  auto implementation = std::make_unique<Implementation>(loop, timers, options, std::move(collect), std::move(pages));
  if (Status opened = implementation->open(options); !opened) return failure_from(std::move(opened.error()));
  return std::unique_ptr<Server>(new Server(std::move(implementation)));
}

const std::string& Server::urls() const {
  return implementation_->urls();
}

void Server::set_ready() {
  implementation_->set_ready();
}

Status Server::reload(const std::string& config_file) {
  return implementation_->reload(config_file);
}

Status check_web_config(const std::string& config_file) {
  const auto loaded = load_web_config(config_file);
  return loaded ? Status() : failure_from(loaded.error());
}

}  // namespace katameter::host::http
