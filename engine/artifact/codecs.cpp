#include <fmt/format.h>

#include <map>
#include <mutex>

#include "artifact/array_file.hpp"
#include "artifact/cache.hpp"
#include "cdc/artifact.hpp"
#include "cdc/error.hpp"

namespace cdc {
namespace {

constexpr const char* kFeatures = "features";
constexpr const char* kAssignment = "assignment";
constexpr const char* kScores = "scores";

[[noreturn]] void other_layout(const std::filesystem::path& file) {
  throw Error(fmt::format("{} is not laid out as expected; remove it, and what it held is computed again", file.string()));
}

void put_collection(const std::string& collection, Value& header) {
  if (!collection.empty()) header["collection"] = collection;
}

/// Empty in files from before collections were written.
std::string collection_of(const Value& header) {
  const Value* found = header.find("collection");
  return found == nullptr ? std::string() : found->as_string();
}

void write_features(const std::shared_ptr<const void>& artifact, ArrayFileWriter& file) {
  const auto& features = *static_cast<const Features*>(artifact.get());
  Value header = Value::table();
  header["protocol"] = features.protocol;
  put_collection(features.collection, header);
  file.header(header);
  file.write({"features", ElementType::float32, {features.rows, features.columns}}, features.data.get());
}

std::shared_ptr<const void> read_features(const std::filesystem::path& path) {
  const ArrayFileReader file(path, kFeatures);
  const ArrayInfo* info = file.find("features");
  if (info == nullptr || info->type != ElementType::float32 || info->shape.size() != 2) other_layout(path);
  auto features = std::make_shared<Features>();
  features->rows = info->shape[0];
  features->columns = info->shape[1];
  features->data = std::static_pointer_cast<const float>(file.map("features"));
  features->protocol = file.header().at("protocol");
  features->collection = collection_of(file.header());
  return features;
}

void write_assignment(const std::shared_ptr<const void>& artifact, ArrayFileWriter& file) {
  const auto& assignment = *static_cast<const Assignment*>(artifact.get());
  Value header = Value::table();
  header["clusters"] = assignment.clusters;
  header["protocol"] = assignment.protocol;
  put_collection(assignment.collection, header);
  file.header(header);
  file.write({"cluster", ElementType::int32, {static_cast<std::int64_t>(assignment.cluster.size())}}, assignment.cluster.data());
}

std::shared_ptr<const void> read_assignment(const std::filesystem::path& path) {
  const ArrayFileReader file(path, kAssignment);
  const ArrayInfo* info = file.find("cluster");
  if (info == nullptr || info->type != ElementType::int32 || info->shape.size() != 1) other_layout(path);
  auto assignment = std::make_shared<Assignment>();
  assignment->cluster.resize(static_cast<std::size_t>(info->shape[0]));
  file.read("cluster", assignment->cluster.data());
  assignment->clusters = file.header().at("clusters").as_integer();
  assignment->protocol = file.header().at("protocol");
  assignment->collection = collection_of(file.header());
  return assignment;
}

void write_scores(const std::shared_ptr<const void>& artifact, ArrayFileWriter& file) {
  Value header = Value::table();
  header["values"] = static_cast<const Scores*>(artifact.get())->values;
  file.header(header);
}

std::shared_ptr<const void> read_scores(const std::filesystem::path& path) {
  const ArrayFileReader file(path, kScores);
  auto scores = std::make_shared<Scores>();
  scores->values = file.header().at("values");
  return scores;
}

struct Codecs {
  std::mutex mutex;
  std::map<PortType, ArtifactCodec> all{{PortType::features, {PortType::features, kFeatures, &write_features, &read_features}},
                                        {PortType::assignment, {PortType::assignment, kAssignment, &write_assignment, &read_assignment}},
                                        {PortType::scores, {PortType::scores, kScores, &write_scores, &read_scores}}};
};

Codecs& codecs() {
  static Codecs one;
  return one;
}

}  // namespace

void register_codec(const ArtifactCodec& codec) {
  const std::lock_guard<std::mutex> guard(codecs().mutex);
  codecs().all[codec.type] = codec;
}

const ArtifactCodec* find_codec(PortType type) {
  const std::lock_guard<std::mutex> guard(codecs().mutex);
  const auto found = codecs().all.find(type);
  return found == codecs().all.end() ? nullptr : &found->second;
}

}  // namespace cdc
