#pragma once

#include <functional>
#include <string>

#include "host-probe/exposition/families.h"
#include "host-probe/merge/account.h"

namespace katameter {

/// The books of the sandbox `id`; `container_labels` gives the labels of one of its containers.
void add_account(Families& families, const Account& account, const std::string& id,
                 const std::function<Labels(const ContainerId&)>& container_labels);

}  // namespace katameter
