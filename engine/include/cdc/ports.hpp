#pragma once

#include <string>

#include "cdc/export.hpp"

namespace cdc {

/// What travels between nodes (tensors of one batch) and between stages (whole artifacts).
enum class PortType { samples, images, embeddings, logits, codes, scalar, dataset, model, features, assignment, scores };

/// "Images", "Dataset", ...: the type as messages and references call it.
CDC_API const char* port_type_name(PortType type);
/// True for what travels between stages.
CDC_API bool is_artifact(PortType type);

// Tags of node ports. V = views, B = batch, C/H/W = channels, height, width, D = embedding width, K = clusters.
struct Samples {};     ///< Images as they lie in the data set, before any augmentation
struct Images {};      ///< [V, B, C, H, W] float32, normalised
struct Embeddings {};  ///< [V, B, D] floating point
struct Logits {};      ///< [V, B, K] floating point, before any softmax
struct Codes {};       ///< [V, B, K] float32, rows sum to 1
struct Scalar {};      ///< [] float32

// Artifacts, declared in dataset.hpp and artifact.hpp. N = samples.
class Dataset;
class Model;
struct Features;
struct Assignment;
struct Scores;

/// A port's type and the names of its sizes unless the port says otherwise.
template <class T>
struct PortTraits;
#define CDC_PORT_TRAITS(tag, enumerator, sizes)              \
  template <>                                                \
  struct PortTraits<tag> {                                   \
    static constexpr PortType kType = PortType::enumerator;  \
    static constexpr const char* kSizes = sizes;             \
  }
CDC_PORT_TRAITS(Samples, samples, "B,C,h,w");
CDC_PORT_TRAITS(Images, images, "V,B,C,H,W");
CDC_PORT_TRAITS(Embeddings, embeddings, "V,B,D");
CDC_PORT_TRAITS(Logits, logits, "V,B,K");
CDC_PORT_TRAITS(Codes, codes, "V,B,K");
CDC_PORT_TRAITS(Scalar, scalar, "");
CDC_PORT_TRAITS(Dataset, dataset, "N,C,H,W");
CDC_PORT_TRAITS(Model, model, "");
CDC_PORT_TRAITS(Features, features, "N,D");
CDC_PORT_TRAITS(Assignment, assignment, "N,K");
CDC_PORT_TRAITS(Scores, scores, "");
#undef CDC_PORT_TRAITS

/// An input port. Sizes are symbols, separated by commas: the same symbol in two ports of one component is the same size, a number is that
/// size. `In<Embeddings> kFeatures{"features", "Backbone features", "V,B,F"}`.
template <class T>
struct In {
  const char* name;
  const char* doc;
  const char* sizes = PortTraits<T>::kSizes;
  bool optional = false;
  bool list = false;  ///< takes any number of connections: `in.name = ["a", "b"]`; a size that no other port has may differ between them
  constexpr In as_optional() const { return {name, doc, sizes, true, list}; }
  constexpr In as_list() const { return {name, doc, sizes, optional, true}; }
};

/// An output port; sizes as for In.
template <class T>
struct Out {
  const char* name;
  const char* doc;
  const char* sizes = PortTraits<T>::kSizes;
};

}  // namespace cdc
