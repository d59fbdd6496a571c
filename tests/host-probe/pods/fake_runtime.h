#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace katameter::host::testing {

/// A container runtime on a Unix socket that gives the prepared answers, by method. A method without one answers UNIMPLEMENTED.
class FakeRuntime : grpc::CallbackGenericService {
 public:
  explicit FakeRuntime(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) throw std::runtime_error("cannot listen on " + socket);
  }
  ~FakeRuntime() override { server_->Shutdown(std::chrono::system_clock::now()); }

  void answers(const std::string& method, std::string answer) { answers_[method] = std::move(answer); }
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  std::size_t times_asked() { return asked().size(); }
  std::atomic<bool> hangs = false;
  std::atomic<bool> is_full = false;  // its answers are larger than it may send

 private:
  class Call : public grpc::ServerGenericBidiReactor {
   public:
    Call(FakeRuntime& runtime, std::string method) : runtime_(runtime), method_(std::move(method)) {
      StartRead(&request_);
    }
    void OnReadDone(bool) override {
      {
        const std::lock_guard lock(runtime_.mutex_);
        runtime_.asked_.push_back(method_);
      }
      if (runtime_.hangs) return;  // until it is cancelled
      if (runtime_.is_full)
        return Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "trying to send message larger than max"});
      const auto found = runtime_.answers_.find(method_);
      if (found == runtime_.answers_.end()) return Finish({grpc::StatusCode::UNIMPLEMENTED, "unknown " + method_});
      const grpc::Slice bytes(found->second);
      response_ = grpc::ByteBuffer(&bytes, 1);
      StartWriteAndFinish(&response_, {}, grpc::Status::OK);
    }
    void OnCancel() override {
      if (runtime_.hangs) Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

   private:
    FakeRuntime& runtime_;
    std::string method_;
    grpc::ByteBuffer request_;
    grpc::ByteBuffer response_;
  };

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new Call(*this, context->method());
  }

  std::map<std::string, std::string> answers_;
  std::mutex mutex_;  // of what follows
  std::vector<std::string> asked_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace katameter::host::testing
