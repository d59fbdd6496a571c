#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>

namespace katameter::guest {

/// Keeps counters of cgroups from falling between two readings, where the kernel may forget some, or moves them about
/// while they are read. `Key`: what has counters of its own: a cgroup by its id, or something in one.
template <std::size_t size, typename Key = std::uint64_t, typename Hash = std::hash<Key>>
class MonotonicByCgroup {
 public:
  using Counters = std::array<std::uint64_t, size>;

  /// Before the counters of a reading: forgets those that the last reading did not have.
  void begin() { last_ = std::exchange(now_, {}); }

  /// Raises each counter to what it was in the last reading, if it is below, and remembers it.
  void raise(const Key& key, Counters& counters) {
    if (const auto last = last_.find(key); last != last_.end()) raise(counters, last->second);
    now_[key] = counters;
  }

  /// There are no counters for the time being; they go on where they were.
  void pause(const Key& key) {
    if (const auto last = last_.find(key); last != last_.end()) now_.insert(*last);
  }

  /// The last counters of a removed cgroup: raises them likewise, and remembers nothing.
  void raise_removed(const Key& key, Counters& counters) const {
    for (const auto* known : {&now_, &last_}) {
      if (const auto last = known->find(key); last != known->end()) raise(counters, last->second);
    }
  }

  /// What the last reading had; null if it had no counters of that.
  const Counters* find(const Key& key) const {
    const auto found = now_.find(key);
    return found == now_.end() ? nullptr : &found->second;
  }

 private:
  static void raise(Counters& counters, const Counters& last) {
    for (std::size_t i = 0; i < size; ++i) counters[i] = std::max(counters[i], last[i]);
  }

  std::unordered_map<Key, Counters, Hash> last_;
  std::unordered_map<Key, Counters, Hash> now_;
};

}  // namespace katameter::guest
