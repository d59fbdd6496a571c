#pragma once

#include <memory>
#include <vector>

#include "host-probe/names/bundle.h"
#include "host-probe/names/cri_client.h"
#include "host-probe/names/endpoint.h"
#include "host-probe/names/name_source.h"

namespace katameter::host {

/// Names from the container runtimes of this node and, for what they do not tell, from the bundles on its disk.
class RuntimeNames : public NameSource {
 public:
  /// For all that one runtime is asked in one go; then it counts as not answering.
  static constexpr std::chrono::milliseconds deadline{5'000};

  RuntimeNames(const std::vector<RuntimeEndpoint>& endpoints, std::string run_root,
               std::chrono::milliseconds patience = deadline);

  NameAnswer look_up(const NameQuestion& question) override;
  void cancel() override;

 private:
  struct Runtime {
    RuntimeEndpoint endpoint;
    std::unique_ptr<CriClient> client;
  };
  void ask_runtimes(const NameQuestion& question, NameAnswer& answer);
  void ask_bundles(const NameQuestion& question, NameAnswer& answer) const;

  std::vector<Runtime> runtimes_;
  Bundles bundles_;
  std::chrono::milliseconds patience_;
};

}  // namespace katameter::host
