#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <optional>
#include <set>

#include "base/shell.hpp"
#include "cdc/clustering_metrics.hpp"
#include "cdc/error.hpp"
#include "config/suggest.hpp"
#include "exec/open_dataset.hpp"
#include "exec/run_state.hpp"
#include "numeric/umap.hpp"
#include "report/ended_run.hpp"
#include "report/images.hpp"
#include "report/page.hpp"
#include "report/parts.hpp"
#include "report/report.hpp"
#include "report/samples.hpp"
#include "sweep/plots.hpp"

namespace cdc {
namespace {

/// Rows `shown` of the features, in memory of their own; the artifact's where that is all of them.
std::shared_ptr<const float> rows_of(const Features& features, const std::vector<std::int64_t>& shown) {
  if (static_cast<std::int64_t>(shown.size()) == features.rows) return features.data;
  const auto d = static_cast<std::size_t>(features.columns);
  const auto out = std::shared_ptr<float>(new float[shown.size() * d], std::default_delete<float[]>());
  for (std::size_t i = 0; i < shown.size(); ++i) std::copy_n(features.data.get() + static_cast<std::size_t>(shown[i]) * d, d, out.get() + i * d);
  return out;
}

/// Whole numbers within 16 bits, both axes by one scale.
std::vector<std::int64_t> quantised(const std::vector<float>& points) {
  float low[2] = {0, 0}, high[2] = {0, 0};
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::size_t axis = i % 2;
    low[axis] = i < 2 ? points[i] : std::min(low[axis], points[i]);
    high[axis] = i < 2 ? points[i] : std::max(high[axis], points[i]);
  }
  const double half = std::max(
      {1e-30, (static_cast<double>(high[0]) - static_cast<double>(low[0])) / 2, (static_cast<double>(high[1]) - static_cast<double>(low[1])) / 2});
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double middle = (static_cast<double>(high[i % 2]) + static_cast<double>(low[i % 2])) / 2;
    out.push_back(static_cast<std::int64_t>(std::lround((static_cast<double>(points[i]) - middle) / half * 32000)));
  }
  return out;
}

Value numbers(const std::vector<std::int64_t>& all) {
  Value out = Value::array();
  for (const std::int64_t v : all) out.push_back(v);
  return out;
}

/// Puts the data of a page together, part after part.
class RunReport {
 public:
  RunReport(const std::filesystem::path& directory, const Registry& registry, const ReportOptions& options)
      : registry_(registry), options_(options), run_(directory, options.cache, registry), page_(report_head("run", run_.plan().name, options)) {}

  Value make() {
    page_["run"] = run_table();
    page_["scores"] = scores();
    page_["curves"] = charts_table(run_curves(run_.directory()));
    page_["stages"] = stages();
    for (const auto& [stage, told] : run_.summary().at("stages").as_table())
      for (const std::string& text : warnings_of(told)) note(fmt::format("Stage '{}' warned: {}", stage, text));
    say("the images");
    choose_samples();
    if (!shown_.empty()) {
      embed();
      clusterings();
      pictures();
    }
    page_["notes"] = notes_;
    return std::move(page_);
  }

 private:
  void say(const std::string& text) const {
    if (options_.progress) options_.progress(text);
  }
  void note(const std::string& text) {
    if (told_.insert(text).second) notes_.push_back(text);
  }
  const std::string& name(const Source& source) const { return run_.plan().stages[source.index].name; }

  Value run_table() const {
    const Value &record = run_.record(), &summary = run_.summary();
    Value out = Value::table();
    out["directory"] = run_.directory().string();
    out["command"] = record.at("command_line");
    if (const Value* folder = record.find("working_directory")) out["working_directory"] = *folder;
    out["again"] =
        fmt::format("cdc-run {} --threads {}", shell_quoted((run_.directory() / "pipeline.toml").string()), record.at("threads").as_integer());
    out["pipeline"] = run_.pipeline();
    for (const char* key : {"seed", "threads", "device", "versions"}) out[key] = record.at(key);
    for (const char* key : {"started", "finished", "seconds"}) out[key] = summary.at(key);
    return out;
  }

  Value scores() const {
    Value out = Value::array();
    for (const auto& [what, table] : run_.summary().at("scores").as_table()) {
      Value one = Value::table(), values = Value::table();
      one["name"] = what;
      for (const auto& [key, value] : table.as_table()) {
        if (value.is_number()) values[key] = value;
        if (key == "protocol") one["protocol"] = value;
      }
      one["values"] = std::move(values);
      out.push_back(std::move(one));
    }
    return out;
  }

  template <class Stages>
  static Value inputs_table(const std::vector<Connection>& inputs, const Stages& of) {
    Value out = Value::array();
    for (const Connection& connection : inputs)
      for (const Source& source : connection.sources) {
        Value one = Value::table();
        one["port"] = connection.port;
        one["from"] = of[source.index].name;
        one["output"] = source.port;
        out.push_back(std::move(one));
      }
    return out;
  }

  Value stages() const {
    std::map<std::string, std::pair<double, double>> waiting;  // seconds of epochs, and of those the ones spent waiting
    for (const Value& line : run_.metrics()) {
      const Value *seconds = line.find("seconds"), *share = line.find("waiting_share");
      if (seconds == nullptr || share == nullptr || !seconds->is_number() || !share->is_number()) continue;
      auto& [all, waited] = waiting[line.at("stage").as_string()];
      all += seconds->as_real();
      waited += seconds->as_real() * share->as_real();
    }
    Value out = Value::array();
    for (const PlannedStage& stage : run_.plan().stages) {
      Value one = Value::table();
      one["name"] = stage.name;
      one["plugin"] = stage.info->id;
      const Value& told = run_.summary().at("stages").at(stage.name);
      one["seconds"] = told.at("seconds");
      one["cached"] = told.at("cached");
      if (const auto found = waiting.find(stage.name); found != waiting.end() && found->second.first > 0)
        one["waiting"] = found->second.second / found->second.first;
      one["inputs"] = inputs_table(stage.inputs, run_.plan().stages);
      if (stage.graph && stage.graph->stage == stage.name) {
        Value nodes = Value::array();
        for (const PlannedNode& node : stage.graph->nodes) {
          Value n = Value::table();
          n["name"] = node.name;
          n["plugin"] = node.info->id;
          if (node.shares) n["shares"] = stage.graph->nodes[*node.shares].name;
          if (node.follows) n["follows"] = stage.graph->nodes[node.follows->node].name;
          n["inputs"] = inputs_table(node.inputs, stage.graph->nodes);
          nodes.push_back(std::move(n));
        }
        one["nodes"] = std::move(nodes);
      }
      out.push_back(std::move(one));
    }
    return out;
  }

  /// The clusterings whose results are there, of the images that the first of them is of; which samples are shown.
  void choose_samples() {
    for (const EndedRun::Clustering& c : run_.clusterings()) {
      std::shared_ptr<const Assignment> assignment;
      try {
        assignment = run_.result<Assignment>(c.assignment, PortType::assignment);
      } catch (const Error& e) {
        note(e.what());
        continue;
      }
      if (!found_.empty()) {
        const auto& first = found_.front().where.dataset;
        const bool same =
            first.has_value() == c.dataset.has_value() && (!first || (first->index == c.dataset->index && first->port == c.dataset->port));
        if (!same || assignment->cluster.size() != found_.front().assignment->cluster.size() ||
            !same_collection(assignment->collection, found_.front().assignment->collection)) {
          note(fmt::format("The clustering of stage '{}' is of other images than that of '{}', and is not shown.", name(c.assignment),
                           name(found_.front().where.assignment)));
          continue;
        }
      }
      found_.push_back({c, assignment});
    }
    if (found_.empty()) {
      if (run_.clusterings().empty()) note("This run made no clustering.");
      return;
    }
    const auto total = static_cast<std::int64_t>(found_.front().assignment->cluster.size());
    open_data(total);
    shown_ = evenly_spaced(total, options_.points);
    if (static_cast<std::int64_t>(shown_.size()) < total)
      note(fmt::format("Of {} images {} are shown, evenly spaced; sizes, scores and the confusion matrix are of all.", total, shown_.size()));
    Value samples = Value::table();
    samples["total"] = total;
    samples["shown"] = shown_.size();
    if (static_cast<std::int64_t>(shown_.size()) < total) samples["numbers"] = packed_u32(shown_);
    if (data_ && !data_->labels().empty()) {
      Value classes = Value::array();
      for (const std::string& one : data_->class_names()) classes.push_back(one);
      samples["classes"] = std::move(classes);
      samples["labels"] = packed_u16(of_shown(data_->labels()));
    }
    page_["samples"] = std::move(samples);
  }

  void open_data(std::int64_t total) {
    if (!found_.front().where.dataset) return note("The pipeline names no data set that was clustered: no images are shown.");
    try {
      data_ = open_dataset(run_.plan(), *found_.front().where.dataset, registry_);
    } catch (const Error& e) {
      return note(fmt::format("No images and no labels are shown, since the data set cannot be opened here: {}", e.what()));
    }
    const std::string &collection = found_.front().assignment->collection, now = collection.empty() ? collection : data_->fingerprint();
    if (data_->size() != total) {
      note(fmt::format("No images and no labels are shown: the data set has {} images now, and {} were clustered.", data_->size(), total));
    } else if (!same_collection(collection, now)) {
      note(fmt::format("No images and no labels are shown: the data set holds other images now ({}) than those that '{}' clustered ({}).", now,
                       name(found_.front().where.assignment), collection));
    } else {
      if (data_->labels().empty()) note("The data set has no labels: nothing is compared with classes.");
      return;
    }
    data_ = nullptr;
  }

  template <class T>
  std::vector<T> of_shown(const std::vector<T>& all) const {
    std::vector<T> out;
    for (const std::int64_t i : shown_) out.push_back(all[static_cast<std::size_t>(i)]);
    return out;
  }

  struct Rows {
    std::shared_ptr<const float> data;
    std::int64_t columns = 0;
  };
  /// The shown rows of a stage's features; nothing, with a note, where they are not there or not of these samples.
  std::optional<Rows> features_of(const Source& source) {
    try {
      const auto features = run_.result<Features>(source, PortType::features);
      const Assignment& clustered = *found_.front().assignment;
      if (features->rows != static_cast<std::int64_t>(clustered.cluster.size()) || !same_collection(features->collection, clustered.collection))
        return std::nullopt;
      return Rows{rows_of(*features, shown_), features->columns};
    } catch (const Error& e) {
      note(e.what());
      return std::nullopt;
    }
  }

  std::optional<Source> features_to_embed() const {
    if (!options_.features.empty()) {
      std::vector<std::string> names;
      for (std::size_t i = 0; i < run_.plan().stages.size(); ++i)
        for (const PortInfo& port : run_.plan().stages[i].info->outputs) {
          if (port.type != PortType::features) continue;
          if (run_.plan().stages[i].name == options_.features) return Source{i, port.name};
          names.push_back(run_.plan().stages[i].name);
        }
      throw Error(fmt::format("no stage '{}' of this run gives features{}", options_.features, there_are(names)));
    }
    for (const Found& f : found_)
      if (f.where.features) return f.where.features;
    return std::nullopt;
  }

  void embed() {
    const std::optional<Source> source = features_to_embed();
    const std::optional<Rows> rows = source ? features_of(*source) : std::nullopt;
    if (!rows) return note("No features of the clustered images are there: no embedding is shown, and no image is said to be certain or doubtful.");
    say(fmt::format("UMAP of {} x {} features", shown_.size(), rows->columns));
    UmapOptions umap;
    umap.seed = run_.plan().seed;
    try {
      const Umap result = umap_embedding(rows->data.get(), static_cast<std::int64_t>(shown_.size()), rows->columns, umap);
      neighbors_ = result.neighbors.index;
      neighbor_count_ = result.neighbors.k;
      Value embedding = Value::table();
      embedding["method"] = fmt::format("UMAP (McInnes et al., arXiv 1802.03426) of '{}', {} columns; {} neighbours, least distance {}, {} epochs",
                                        name(*source), rows->columns, umap.neighbors, umap.min_dist, result.epochs);
      embedding["points"] = packed_i16(quantised(result.points));
      page_["embedding"] = std::move(embedding);
    } catch (const Error& e) {
      note(fmt::format("No embedding of '{}' can be made: {}", name(*source), e.what()));
    }
  }

  void clusterings() {
    Value out = Value::array();
    for (const Found& f : found_) {
      say(fmt::format("the clusters of '{}'", name(f.where.assignment)));
      const std::vector<std::int32_t>& cluster = f.assignment->cluster;
      const std::int64_t clusters = f.assignment->clusters;
      Value one = Value::table();
      one["name"] = name(f.where.assignment);
      one["clusters"] = clusters;
      one["sizes"] = numbers(cluster_sizes(cluster.data(), static_cast<std::int64_t>(cluster.size()), clusters));
      const std::vector<std::int32_t> shown = of_shown(cluster);
      one["cluster"] = packed_u16(shown);
      if (data_ && !data_->labels().empty()) compare(one, cluster, clusters);
      std::vector<float> certainty;
      if (f.where.features)
        if (const std::optional<Rows> rows = features_of(*f.where.features)) {
          certainty = simplified_silhouette(rows->data.get(), static_cast<std::int64_t>(shown_.size()), rows->columns, shown, clusters);
          one["certainty"] = fmt::format("simplified silhouette in '{}'", name(*f.where.features));
        }
      const std::vector<float> foreign = neighbors_.empty() ? std::vector<float>() : foreign_neighbors(neighbors_, neighbor_count_, shown);
      one["gallery"] = gallery(make_galleries(shown, clusters, certainty, foreign, options_.gallery));
      out.push_back(std::move(one));
    }
    page_["clusterings"] = std::move(out);
  }

  void compare(Value& one, const std::vector<std::int32_t>& cluster, std::int64_t clusters) const {
    const auto classes = static_cast<std::int64_t>(data_->class_names().size());
    const Contingency table = contingency(cluster.data(), data_->labels().data(), static_cast<std::int64_t>(cluster.size()), clusters, classes);
    Value matching = Value::array(), confusion = Value::array();
    for (const std::int32_t c : clustering_scores(table).matching) matching.push_back(c);
    for (std::int64_t k = 0; k < clusters; ++k)
      for (std::int64_t c = 0; c < classes; ++c)
        if (table.row(k)[c] > 0) confusion.push_back(numbers({k, c, table.row(k)[c]}));
    one["matching"] = std::move(matching);
    one["confusion"] = std::move(confusion);
  }

  Value gallery(const std::vector<ClusterGallery>& galleries) {
    Value out = Value::array();
    for (const ClusterGallery& g : galleries) {
      Value one = Value::table();
      one["cluster"] = g.cluster;
      for (const auto& [row, samples] :
           {std::pair("certain", &g.certain), std::pair("uncertain", &g.uncertain), std::pair("doubtful", &g.doubtful)}) {
        one[row] = numbers(*samples);
        in_galleries_.insert(samples->begin(), samples->end());
      }
      out.push_back(std::move(one));
    }
    return out;
  }

  void pictures() {
    if (!data_) return;
    try {
      Value names = Value::table();
      const std::vector<std::int64_t> in_galleries(in_galleries_.begin(), in_galleries_.end());
      std::vector<std::int64_t> samples;
      for (const std::int64_t i : in_galleries) {
        samples.push_back(shown_[static_cast<std::size_t>(i)]);
        names.as_table().emplace_back(std::to_string(i), data_->sample_name(samples.back()));
      }
      page_["samples"]["names"] = std::move(names);
      if (page_.find("embedding") != nullptr) {
        say(fmt::format("{} thumbnails", shown_.size()));
        page_["thumbnails"] = picture_sheets(*data_, shown_, 64, options_.thumbnail_bytes);
      }
      if (in_galleries.empty()) return;
      say(fmt::format("{} pictures", samples.size()));
      page_["pictures"] = picture_sheets(*data_, samples, 96, options_.picture_bytes);
      page_["pictures"]["of"] = numbers(in_galleries);
    } catch (const Error& e) {
      note(fmt::format("Images are missing here, since one cannot be read: {}", e.what()));
    }
  }

  struct Found {
    EndedRun::Clustering where;
    std::shared_ptr<const Assignment> assignment;
  };
  const Registry& registry_;
  const ReportOptions& options_;
  EndedRun run_;
  Value page_, notes_ = Value::array();
  std::set<std::string> told_;
  std::vector<Found> found_;
  std::shared_ptr<const Dataset> data_;  ///< null where it cannot be opened
  std::vector<std::int64_t> shown_;      ///< numbers in the data set; elsewhere a sample is its place in here
  std::vector<std::int32_t> neighbors_;  ///< of the shown samples in the features embedded
  std::int64_t neighbor_count_ = 0;
  std::set<std::int64_t> in_galleries_;
};

}  // namespace

Value run_report(const std::filesystem::path& run, const Registry& registry, const ReportOptions& options) {
  return RunReport(run, registry, options).make();
}

}  // namespace cdc
