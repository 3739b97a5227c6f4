#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/at_work.hpp"
#include "cdc/augment.hpp"
#include "cdc/error.hpp"
#include "cdc/node.hpp"
#include "cdc/random.hpp"
#include "graph/plan.hpp"
#include "torch/node_check.hpp"

namespace cdc {

/// A node's own stream of random numbers: of the session's seed and the node's name, so that adding a node changes no other node's weights.
inline std::uint64_t seed_of(std::uint64_t seed, const std::string& name) {
  std::uint64_t h = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return Random(seed, h).next64();
}

/// A node of a session: the component, and where its ports lie among the slots.
struct BuiltNode {
  const PlannedNode* plan = nullptr;
  std::shared_ptr<Component> component;
  Node* node = nullptr;  ///< one of these two
  Augment* augment = nullptr;
  bool shared = false;               ///< the component is another node's, which makes, keeps and moves it
  std::optional<Following> follows;  ///< the component's weights follow another's
  std::uint64_t seed = 0;
  PortSlots inputs;                                          ///< port -> slots
  std::vector<std::pair<std::string, std::size_t>> outputs;  ///< port -> slot
  std::vector<bool> needs;                                   ///< [nodes] that it depends on, itself included
  std::array<int, 2> size{};                                 ///< of an augment node: height and width
  NodeCheck check;
  bool trains = false;  ///< it has weights that the optimizer changes
  bool loss = false;
  std::string who;  ///< for AtWork

  /// The node whose moments are called here: nullptr for an augmentation, and where another place already does it.
  Node* own() const { return shared ? nullptr : node; }
  std::string label() const { return fmt::format("node '{}' ({})", plan->name, plan->info->id); }
};

/// Runs a piece of a plugin; whatever it throws comes out as an Error of ours that names node, plugin, place in the file and what was being done.
/// An exception object of a plugin's own type never leaves this frame.
template <class F>
void at_node(const BuiltNode& n, const std::string& doing, F&& f) {
  const auto say = [&](const std::string& what) {
    const std::string where = n.plan->where.file.empty() ? "" : n.plan->where.text() + ": ";
    return Error(fmt::format("{}{}, {}: {}", where, n.label(), doing, what));
  };
  std::string what;
  try {
    const AtWork work(n.who.c_str(), doing.c_str());
    f();
    return;
  } catch (const Stopped&) {
    throw;
  } catch (const c10::Error& e) {
    what = e.what_without_backtrace();
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
    what = "an exception of unknown type was thrown";
  }
  throw say(what);
}

}  // namespace cdc
