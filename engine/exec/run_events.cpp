#include "exec/run_events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <set>

#include "artifact/array_file.hpp"
#include "data/image_sheet.hpp"

namespace cdc {
namespace {

constexpr const char* kFolder = "tensorboard";                 ///< in the run directory
constexpr std::int64_t kShownSamples = 16, kShownColumns = 8;  ///< of a data set
constexpr std::int64_t kClusterSamples = 10, kMostClusters = 256;
constexpr std::int64_t kMostRows = 10000;  ///< of a matrix in the projector
constexpr int kLargestTile = 64, kSmallTile = 32;
constexpr std::int64_t kManyClusters = 32;  ///< with more the tiles are small

using Numbers = std::vector<std::pair<std::string, double>>;

/// The finite numbers of a table by their path: those that metrics.jsonl and summary.json hold as numbers.
void add_numbers(const std::string& name, const Value& value, Numbers& out) {
  if (value.is_number() && std::isfinite(value.as_real())) out.emplace_back(name, value.as_real());
  if (!value.is_table()) return;
  for (const auto& [inner, one] : value.as_table()) add_numbers(name + "." + inner, one, out);
}

std::int64_t spaced(std::int64_t i, std::int64_t count, std::int64_t all) { return i * all / count; }

/// Height and width of the data set's images, made smaller to fit a square.
std::array<int, 2> tile_of(const Dataset& data, int largest) {
  const auto [height, width] = data.image_size();
  const int longest = std::max(height, width);
  if (longest == 0) return {largest, largest};
  if (longest <= largest) return {height, width};
  const auto scaled = [&](int length) { return std::max(1, static_cast<int>(std::nearbyint(static_cast<double>(length) * largest / longest))); };
  return {scaled(height), scaled(width)};
}

Image sheet(const Dataset& data, const std::vector<std::int64_t>& samples, int largest_tile, std::int64_t columns) {
  const auto [height, width] = tile_of(data, largest_tile);
  return make_sheet(data, samples, height, width, static_cast<int>(columns));
}

/// A row for each cluster: samples of it, evenly spaced over all that it has.
std::vector<std::int64_t> samples_of_clusters(const Assignment& assignment) {
  const std::int64_t clusters = std::min(assignment.clusters, kMostClusters);
  std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(clusters));
  for (std::size_t i = 0; i < assignment.cluster.size(); ++i)
    if (assignment.cluster[i] >= 0 && assignment.cluster[i] < clusters) members[static_cast<std::size_t>(assignment.cluster[i])].push_back(static_cast<std::int64_t>(i));
  std::vector<std::int64_t> out;
  for (const std::vector<std::int64_t>& of : members) {
    const auto all = static_cast<std::int64_t>(of.size());
    const std::int64_t count = std::min(all, kClusterSamples);
    for (std::int64_t i = 0; i < kClusterSamples; ++i) out.push_back(i < count ? of[static_cast<std::size_t>(spaced(i, count, all))] : kNoSample);
  }
  return out;
}

}  // namespace

RunEvents::RunEvents(const Plan& plan, const std::filesystem::path& run_directory) : plan_(plan), folder_(run_directory / kFolder), file_(folder_) {}

void RunEvents::remove_files(const std::filesystem::path& run_directory, bool but_events) {
  namespace fs = std::filesystem;
  const fs::path folder = run_directory / kFolder;
  std::error_code ignored, gone;
  if (!fs::is_directory(fs::symlink_status(folder, ignored))) return;  // what a link leads to is somebody's
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored)) {
    const std::string name = it->path().filename().string();
    const bool events = EventFile::is_one(name);
    if (((events && !but_events) || is_projector_file(name)) && fs::is_regular_file(it->symlink_status(gone))) fs::remove(it->path(), gone);
  }
  fs::remove(folder, gone);  // where nothing else is in it
}

void RunEvents::added(const std::string& stage, const Value& line) {
  const std::lock_guard<std::mutex> guard(mutex_);
  std::vector<Value>& lines = lines_[stage];
  lines.push_back(line);
  write_line(stage, line, lines.size());
}

void RunEvents::replaced(const std::string& stage, const std::vector<Value>& lines) {
  const std::lock_guard<std::mutex> guard(mutex_);
  std::vector<Value>& now = lines_[stage];
  const bool contradicts = !now.empty();
  now = lines;
  if (!contradicts) {
    for (std::size_t i = 0; i < lines.size(); ++i) write_line(stage, lines[i], i + 1);
    return;
  }
  file_.restart();
  for (const auto& [name, all] : lines_)
    for (std::size_t i = 0; i < all.size(); ++i) write_line(name, all[i], i + 1);
  for (const Picture& p : pictures_) file_.image(0, p.tag, p.height, p.width, p.channels, p.png);
}

/// `index`: of the line among its stage's, from 1.
void RunEvents::write_line(const std::string& stage, const Value& line, std::size_t index) {
  std::string of_step;
  auto step = static_cast<std::int64_t>(index);
  for (const char* name : {"epoch", "step"})
    if (const Value* value = line.find(name); of_step.empty() && value != nullptr && value->is_integer()) {
      of_step = name;
      step = value->as_integer();
    }
  // A training's restarts begin at epoch 1 again: curves of their own.
  const Value* restart = line.find("restart");
  const std::string ending = restart != nullptr && restart->is_integer() ? fmt::format("/restart_{}", restart->as_integer()) : "";
  Numbers numbers;
  for (const auto& [name, value] : line.as_table())
    if (name != of_step && (name != "restart" || ending.empty())) add_numbers(stage + "/" + name, value, numbers);
  for (auto& [tag, number] : numbers) tag += ending;
  if (!numbers.empty()) file_.scalars(step, numbers);
}

void RunEvents::show(const std::string& tag, const Image& image) {
  Picture p{tag, encode_png(image), image.height, image.width, image.channels};
  const std::lock_guard<std::mutex> guard(mutex_);
  file_.image(0, p.tag, p.height, p.width, p.channels, p.png);
  pictures_.push_back(std::move(p));
}

void RunEvents::opened(std::size_t stage, std::shared_ptr<const Dataset> data) {
  const std::int64_t count = std::min(data->size(), kShownSamples);
  std::vector<std::int64_t> samples;
  for (std::int64_t i = 0; i < count; ++i) samples.push_back(spaced(i, count, data->size()));
  if (count > 0) show("samples/" + plan_.stages[stage].name, sheet(*data, samples, kLargestTile, std::min(count, kShownColumns)));
  std::string fingerprint = data->fingerprint();
  const std::lock_guard<std::mutex> guard(mutex_);
  data_[stage] = std::move(data);
  fingerprints_[stage] = std::move(fingerprint);
}

/// The data set whose samples a stage's rows are: of as many samples, of the same collection where that is known, and the nearest on the way back
/// along what the stages read.
std::optional<std::size_t> RunEvents::data_of(std::size_t stage, std::int64_t rows, const std::string& collection) const {
  std::deque<std::size_t> next{stage};
  std::set<std::size_t> seen;
  for (; !next.empty(); next.pop_front()) {
    if (!seen.insert(next.front()).second) continue;
    const auto found = data_.find(next.front());
    if (found != data_.end() && found->second->size() == rows && same_collection(collection, fingerprints_.at(found->first))) return found->first;
    for (const Connection& connection : plan_.stages[next.front()].inputs)
      for (const Source& source : connection.sources) next.push_back(source.index);
  }
  return std::nullopt;
}

std::string RunEvents::name_of(const Result& result) const { return plan_.stages[result.stage].name + "." + result.port; }

std::string RunEvents::title_of(const Result& result) const {
  const PlannedStage& stage = plan_.stages[result.stage];
  const auto count =
      std::count_if(stage.info->outputs.begin(), stage.info->outputs.end(), [&](const PortInfo& port) { return port.type == result.type; });
  return count == 1 ? stage.name : name_of(result);
}

void RunEvents::finish(const Value& scores, const std::vector<Result>& results) {
  Numbers numbers;
  for (const auto& [name, row] : scores.as_table())
    for (const auto& [score, value] : row.as_table())
      if (score != "protocol") add_numbers("scores/" + name + "/" + score, value, numbers);
  if (!numbers.empty()) {
    const std::lock_guard<std::mutex> guard(mutex_);
    file_.scalars(0, numbers);
  }
  for (const Result& result : results)
    if (result.type == PortType::assignment) show_clusters(result);
  write_projector(results);
}

void RunEvents::show_clusters(const Result& result) {
  const auto& assignment = *std::static_pointer_cast<const Assignment>(result.artifact);
  const auto data = data_of(result.stage, static_cast<std::int64_t>(assignment.cluster.size()), assignment.collection);
  if (!data || assignment.cluster.empty()) return;
  show("clusters/" + title_of(result),
       sheet(*data_.at(*data), samples_of_clusters(assignment), assignment.clusters > kManyClusters ? kSmallTile : kLargestTile, kClusterSamples));
}

void RunEvents::write_projector(const std::vector<Result>& results) const {
  std::vector<ProjectorEmbedding> embeddings;
  std::map<std::size_t, ProjectorEmbedding> of_data;  // files that matrices of one data set share
  for (const Result& result : results) {
    if (result.type != PortType::features) continue;
    const auto& features = *std::static_pointer_cast<const Features>(result.artifact);
    if (features.rows == 0 || features.columns == 0) continue;
    std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(features.rows, kMostRows)));
    const auto count = static_cast<std::int64_t>(rows.size());
    std::vector<float> values;
    values.reserve(rows.size() * static_cast<std::size_t>(features.columns));
    for (std::int64_t i = 0; i < count; ++i) {
      rows[static_cast<std::size_t>(i)] = spaced(i, count, features.rows);
      const float* row = features.data.get() + rows[static_cast<std::size_t>(i)] * features.columns;
      values.insert(values.end(), row, row + features.columns);
    }
    ProjectorEmbedding embedding;
    if (const auto data = data_of(result.stage, features.rows, features.collection)) {
      auto found = of_data.find(*data);
      if (found == of_data.end()) found = of_data.emplace(*data, write_samples(*data, rows, results)).first;
      embedding = found->second;
    }
    embedding.name = title_of(result) + (count < features.rows ? fmt::format(", {} of {} rows", count, features.rows) : "");
    embedding.rows = count;
    embedding.columns = features.columns;
    embedding.tensor = write_projector_tensor(folder_, name_of(result), values, count, features.columns);
    embeddings.push_back(std::move(embedding));
  }
  if (!embeddings.empty()) write_file(folder_ / kProjectorConfig, projector_config(embeddings));
}

/// What the projector shows of a data set's samples: their numbers, the clusters of every assignment of that data set, labels, and pictures.
ProjectorEmbedding RunEvents::write_samples(std::size_t stage, const std::vector<std::int64_t>& samples, const std::vector<Result>& results) const {
  const Dataset& data = *data_.at(stage);
  const std::string& name = plan_.stages[stage].name;
  std::vector<std::pair<std::string, std::vector<std::string>>> columns;
  const auto add = [&](const std::string& title, const auto& text) {
    columns.emplace_back(title, std::vector<std::string>());
    for (const std::int64_t i : samples) columns.back().second.push_back(text(static_cast<std::size_t>(i)));
  };
  add("sample", [](std::size_t i) { return std::to_string(i); });
  for (const Result& result : results) {
    if (result.type != PortType::assignment) continue;
    const auto& assignment = *std::static_pointer_cast<const Assignment>(result.artifact);
    const std::vector<std::int32_t>& cluster = assignment.cluster;
    if (data_of(result.stage, static_cast<std::int64_t>(cluster.size()), assignment.collection) == stage)
      add(title_of(result), [&](std::size_t i) { return std::to_string(cluster[i]); });
  }
  if (!data.labels().empty())
    add("label", [&](std::size_t i) {
      const auto label = static_cast<std::size_t>(data.labels()[i]);
      return label < data.class_names().size() ? data.class_names()[label] : std::to_string(label);
    });
  ProjectorEmbedding out;
  out.metadata = name + ".metadata.tsv";
  write_file(folder_ / out.metadata, projector_metadata(columns));
  out.sprite = name + ".sprite.png";
  const auto [height, width] = tile_of(data, kSmallTile);
  out.tile_height = height;
  out.tile_width = width;
  const auto side = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(samples.size()))));
  write_file(folder_ / out.sprite, encode_png(sheet(data, samples, kSmallTile, side)));
  return out;
}

}  // namespace cdc
