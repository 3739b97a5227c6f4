#include "architecture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <regex>
#include <set>

namespace {

/// A part of a name, and what has it; the first that is found counts.
constexpr std::pair<const char*, const char*> kSigns[] = {
    {"relative_position_bias_table", "a Swin transformer"},
    {"cls_token", "a vision transformer"},
    {"class_token", "a vision transformer"},
    {"pos_embed", "a vision transformer"},
    {"position_embeddings", "a vision transformer"},
    {".attn.", "a vision transformer"},
    {"self_attention.", "a vision transformer"},
    {".attention.attention.", "a vision transformer"},
    {"_conv_stem.", "an EfficientNet"},
    {"_depthwise_conv.", "an EfficientNet"},
    {"se.conv_reduce.", "an EfficientNet"},
    {"dwconv.", "a ConvNeXt"},
    {"layer_scale", "a ConvNeXt"},
    {"conv_dw.", "a ConvNeXt or MobileNet"},
    {"denseblock", "a DenseNet"},
    {"Mixed_5b.", "an Inception"},
    {".block.0.0.weight", "an EfficientNet or MobileNet"},
    {".conv.0.0.weight", "a MobileNet"},
};

constexpr std::size_t kLongest = 200;  // std::regex recurses letter by letter

/// By the blocks of its layers, of torchvision's names: layer1.0.conv1.weight. Blocks of three convolutions are bottlenecks.
std::string resnet_of(const std::vector<std::string>& names) {
  static const std::regex kBlock(R"((^|.*\.)layer([1-4])\.([0-9]{1,3})\.conv([123])\.weight)");
  std::map<std::string, std::array<std::set<int>, 4>> by_prefix;  // an encoder's, and perhaps its momentum encoder's
  bool bottleneck = false;
  std::smatch found;
  for (const std::string& name : names) {
    if (name.size() > kLongest || !std::regex_match(name, found, kBlock)) continue;
    by_prefix[found[1]][static_cast<std::size_t>(std::stoi(found[2]) - 1)].insert(std::stoi(found[3]));
    bottleneck = bottleneck || found[4] == "3";
  }
  if (by_prefix.empty()) return {};
  const auto& layers = by_prefix.begin()->second;
  std::array<std::size_t, 4> blocks{};
  for (std::size_t i = 0; i < 4; ++i) blocks[i] = layers[i].size();
  struct Known {
    bool bottleneck;
    std::array<std::size_t, 4> blocks;
    int depth;
  };
  for (const Known& one : {Known{false, {2, 2, 2, 2}, 18}, Known{false, {3, 4, 6, 3}, 34}, Known{true, {3, 4, 6, 3}, 50},
                           Known{true, {3, 4, 23, 3}, 101}, Known{true, {3, 8, 36, 3}, 152}})
    if (one.bottleneck == bottleneck && one.blocks == blocks) return fmt::format("a ResNet-{}", one.depth);
  return fmt::format("a ResNet of {} blocks", blocks[0] + blocks[1] + blocks[2] + blocks[3]);
}

}  // namespace

std::string architecture_of(const std::vector<std::string>& names) {
  for (const auto& [part, what] : kSigns)
    if (std::any_of(names.begin(), names.end(), [&, sign = part](const std::string& name) { return name.find(sign) != std::string::npos; }))
      return what;
  if (std::string resnet = resnet_of(names); !resnet.empty()) return resnet;
  static const std::regex kVgg(R"((^|.*\.)features\.[0-9]+\.weight)"), kConvnet(R"((^|.*\.)[0-9]+\.[01]\.weight)");
  const auto any = [&](const std::regex& sign) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.size() <= kLongest && std::regex_match(name, sign); });
  };
  if (any(kVgg)) return "a VGG";
  return any(kConvnet) ? "a plain convolutional network" : "";
}
