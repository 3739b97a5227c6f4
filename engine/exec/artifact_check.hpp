#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "cdc/component.hpp"

namespace cdc {

/// Sizes of artifacts by the symbols of a stage's ports, and where each comes from ("its input 'data'").
struct KnownSize {
  std::int64_t value = 0;  ///< 0: not known, -1: differs between connections
  std::string origin;
};
using KnownSizes = std::map<std::string, KnownSize>;

/// Adds the sizes of an artifact at a port to those that are known.
void add_sizes(const PortInfo& port, const void* artifact, const std::string& origin, KnownSizes& sizes);

/// Holds an artifact to what its type's declaration and these sizes say of it. cdc::Error naming port, what is expected and what was found.
/// @param blame ends a message where the plugin that gave it is at fault, and not what it was given
void check_artifact(const PortInfo& port, const std::shared_ptr<const void>& artifact, const KnownSizes& sizes, const std::string& blame);

/// Looks at each number of features and weights, which takes as long as reading them. cdc::Error where one is not finite.
void check_numbers(const PortInfo& port, const void* artifact);

/// How artifacts that this library cannot look into are checked: models, by libcdc.so.
struct ArtifactCheck {
  void (*form)(const std::string& port, const void* artifact) = nullptr;
  void (*numbers)(const std::string& port, const void* artifact) = nullptr;
};
CDC_API void register_artifact_check(PortType type, const ArtifactCheck& check);

}  // namespace cdc
