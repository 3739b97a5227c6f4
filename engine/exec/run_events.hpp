#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "artifact/event_file.hpp"
#include "artifact/projector.hpp"
#include "artifact/run_directory.hpp"
#include "cdc/artifact.hpp"
#include "cdc/dataset.hpp"
#include "graph/plan.hpp"

namespace cdc {

/// A run as TensorBoard shows it, in RUN_DIRECTORY/tensorboard (engine/exec/README.md says what is there). Each start of a run writes its events
/// anew: lines that hold come through RunDirectory, and readers forget what an earlier start wrote. Methods may be called from any thread. cdc::Error
/// naming the file where one cannot be written, and what a data set's image() throws.
class CDC_API RunEvents final : public MetricListener {
 public:
  RunEvents(const Plan& plan, const std::filesystem::path& run_directory);
  /// Removes what an earlier run left there for TensorBoard; where another is about to write its own, without the events, which that empties.
  static void remove_files(const std::filesystem::path& run_directory, bool but_events);

  void added(const std::string& stage, const Value& line) override;
  void replaced(const std::string& stage, const std::vector<Value>& lines) override;

  /// Stage `stage` opened a data set: a few of its samples become a picture, and it is kept for finish().
  void opened(std::size_t stage, std::shared_ptr<const Dataset> data);

  struct Result {
    std::size_t stage = 0;  ///< of the plan
    std::string port;
    PortType type = PortType::features;  ///< or assignment; others are left out
    std::shared_ptr<const void> artifact;
  };
  /// All has ended: scores (as in summary.json), clusters as pictures, features for the projector.
  void finish(const Value& scores, const std::vector<Result>& results);

 private:
  struct Picture {
    std::string tag, png;
    int height = 0, width = 0, channels = 0;
  };
  void write_line(const std::string& stage, const Value& line, std::size_t index);
  void show(const std::string& tag, const Image& image);
  std::optional<std::size_t> data_of(std::size_t stage, std::int64_t rows, const std::string& collection) const;
  std::string name_of(const Result& result) const;   ///< STAGE.PORT
  std::string title_of(const Result& result) const;  ///< STAGE, or STAGE.PORT where it has several outputs of the type
  void show_clusters(const Result& result);
  void write_projector(const std::vector<Result>& results) const;
  ProjectorEmbedding write_samples(std::size_t stage, const std::vector<std::int64_t>& samples, const std::vector<Result>& results) const;

  const Plan& plan_;
  std::filesystem::path folder_;
  std::mutex mutex_;  ///< of all that follows
  EventFile file_;
  std::map<std::string, std::vector<Value>> lines_;  ///< by stage, as written
  std::vector<Picture> pictures_;                    ///< as written
  std::map<std::size_t, std::shared_ptr<const Dataset>> data_;
  std::map<std::size_t, std::string> fingerprints_;  ///< of data_
};

}  // namespace cdc
